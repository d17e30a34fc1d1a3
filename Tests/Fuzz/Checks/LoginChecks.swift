// What must hold of the login's messages for every input there is: one text each, and nobody logs in by it. Fuzzers
// call this, and so does the test that replays the corpus. A check that fails stops the process.
#if canImport(WMPEngine)
import WMPEngine
#endif
#if canImport(WMPWire)
import WMPWire
#endif

/// Checks `bytes` as each message and as a secret's text; then they log in, at both ends.
package func checkLogin(_ bytes: [UInt8]) {
    checkTexts(bytes)
    checkMessages(bytes)
    // No message has a zero in it: what is before the first one is said first, the rest in answer.
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
    let (first, second) = (parts.first ?? [], parts.dropFirst().first ?? [])
    for binding in bindings {
        checkServer(bytes, first, second, binding)
        checkClient(bytes, first, second, binding)
    }
}

// MARK: - Texts

private func checkTexts(_ bytes: [UInt8]) {
    if let decoded = Base64.decode(bytes[...]) {
        check(Base64.encode(decoded) == bytes, "Base64 with two texts for the same bytes", bytes)
    }
    check(Base64.decode(Base64.encode(bytes)[...]) == bytes, "Base64 changes bytes", bytes)
    guard let text = String(validating: bytes, as: UTF8.self) else { return }
    do throws(ScramSecret.Malformed) {
        let secret = try ScramSecret(text: text)
        check(Array(secret.text.utf8) == bytes, "a secret is written otherwise", bytes)
    } catch {
        check(!error.description.isEmpty, "a secret is refused without a reason", bytes)
    }
}

private func checkMessages(_ bytes: [UInt8]) {
    if let message = read(bytes, { bytes throws(ProtocolViolation) in try ScramClientFirst(bytes) }) {
        check(message.text == bytes, "a first message of a client is written otherwise", bytes)
        let plain = ScramClientFirst(header: message.header, user: message.user, nonce: message.nonce)
        checkBeginning(message.text, plain.text, bytes)
        check((1...255).contains(message.user.utf8.count), "a user of no bytes or too many", bytes)
        check(message.user.unicodeScalars.allSatisfy(isHarmless), "a user with control characters", bytes)
        checkNonce(message.nonce, 128, bytes)
    }
    if let message = read(bytes, { bytes throws(ProtocolViolation) in try ScramServerFirst(bytes) }) {
        let plain = ScramServerFirst(nonce: message.nonce, salt: message.salt, iterations: message.iterations)
        check(message.text == bytes, "a first message of a server is written otherwise", bytes)
        checkBeginning(message.text, plain.text, bytes)
        check((4096...131_072).contains(message.iterations), "iterations beyond the limits", bytes)
        check((1...64).contains(message.salt.count), "a salt beyond the limits", bytes)
        checkNonce(message.nonce, 256, bytes)
    }
    if let message = read(bytes, { bytes throws(ProtocolViolation) in try ScramClientFinal(bytes) }) {
        check(message.text == bytes, "a last message of a client is written otherwise", bytes)
        let plain = ScramClientFinal.withoutProof(channelBinding: message.channelBinding, nonce: message.nonce)
        checkBeginning(message.withoutProof, plain, bytes)
        check(message.proof.count == 32, "a proof beyond the limits", bytes)
        checkNonce(message.nonce, 256, bytes)
    }
    if let message = read(bytes, { bytes throws(ProtocolViolation) in try ScramServerFinal(bytes) }) {
        checkBeginning(bytes, message.text, bytes)
        if case .error(let word) = message {
            check(word.unicodeScalars.allSatisfy(isHarmless), "an error with control characters", bytes)
        }
    }
}

private func read<M>(_ bytes: [UInt8], _ read: ([UInt8]) throws(ProtocolViolation) -> M) -> M? {
    do throws(ProtocolViolation) {
        let message = try read(bytes)
        check(bytes.count <= 2048, "a message without end", bytes)
        return message
    } catch {
        check(error.reason.unicodeScalars.allSatisfy(isHarmless), "a reason with control characters", bytes)
        return nil
    }
}

/// A message is what is written for it, and extensions behind.
private func checkBeginning(_ text: [UInt8], _ plain: [UInt8], _ bytes: [UInt8]) {
    let rest = text.dropFirst(plain.count)
    check(text.starts(with: plain) && (rest.isEmpty || rest.first == 0x2C), "a message is not what it says", bytes)
}

private func checkNonce(_ nonce: [UInt8], _ longest: Int, _ bytes: [UInt8]) {
    let isPrintable = nonce.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x2C }
    check(isPrintable && (16...longest).contains(nonce.count), "a nonce beyond the limits", bytes)
}

private func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value)
}

// MARK: - Logins

/// Known to whoever writes an input, so that one gets as far as the proof.
private let serverNonce = Array("the-servers-nonce".utf8)
private let clientNonce = Array("the-clients-nonce".utf8)
private let bindings = [.plain, ScramBinding(tlsExporter: Array(repeating: 7, count: 32))].compactMap(\.self)

/// A key that nobody computes from a password, and keys without one.
private let salting = Salting(salt: Array("sixteen bytes of".utf8), iterations: 4096)
private let secret = salting.map { ScramSecret(SaltedPassword(key: Array(repeating: 9, count: 32), $0)) }
private let decoy = salting.map { ScramDecoy(key: Array(repeating: 5, count: 32), like: $0) }

private func checkServer(_ bytes: [UInt8], _ first: [UInt8], _ second: [UInt8], _ binding: ScramBinding) {
    guard let decoy, let secret else { fatalError("no secrets") }
    for user in ["user", ""] {
        var login = ScramServer(nonce: serverNonce, binding: binding, decoy: decoy)
        do throws(ScramFailure) {
            let answer = try login.start(first) { $0 == user ? secret : nil }
            let message = read(answer) { bytes throws(ProtocolViolation) in try ScramServerFirst(bytes) }
            check(message?.salt.count == 16 && message?.iterations == 4096, "an answer that is none", bytes)
            check(message?.nonce.suffix(serverNonce.count).elementsEqual(serverNonce) == true, "another nonce", bytes)
            let accepted = try login.finish(second)
            check(false, "\(accepted.user) is logged in", bytes)
        } catch {
            check(error.description.unicodeScalars.allSatisfy(isHarmless), "a failure breaks the line", bytes)
        }
        check((try? login.start(first) { _ in secret }) == nil, "a login that failed begins again", bytes)
        check((try? login.finish(second)) == nil, "a login that failed goes on", bytes)
    }
}

private func checkClient(_ bytes: [UInt8], _ first: [UInt8], _ second: [UInt8], _ binding: ScramBinding) {
    guard var login = try? ScramClient(user: "user", nonce: clientNonce, binding: binding) else {
        fatalError("no client")
    }
    do throws(ScramFailure) {
        let salting = try login.read(serverFirst: first)
        let proof = try login.clientFinal(SaltedPassword(key: Array(repeating: 9, count: 32), salting))
        let message = read(proof) { bytes throws(ProtocolViolation) in try ScramClientFinal(bytes) }
        check(message?.nonce.starts(with: clientNonce) == true, "a last message that is none", bytes)
        try login.verify(serverFinal: second)
        check(false, "a server has proven itself", bytes)
    } catch {
        check(error.description.unicodeScalars.allSatisfy(isHarmless), "a failure breaks the line", bytes)
    }
}

private func check(_ condition: Bool, _ message: @autoclosure () -> String, _ bytes: [UInt8]) {
    guard !condition else { return }
    fatalError("\(message()): \(bytes.prefix(400))")
}
