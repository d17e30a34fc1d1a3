/// Every constant of the SCRAM login, with its reason.
package enum ScramLimits {
    /// Longest message, in bytes. The longest that is needed has 914: a user of nothing but commas, and the longest
    /// nonce. What is left is room for extensions; a stranger may cost no more.
    package static let maxMessage = 2048

    /// Longest user, in bytes of UTF-8: what a configuration may have.
    package static let maxUser = 255

    /// Bytes of the nonce that a side adds. Fewer could come up twice; more make nothing safer.
    package static let nonce = 16...128

    /// Longest nonce of both sides joined.
    package static let maxJoinedNonce = 2 * nonce.upperBound

    /// Bytes of a salt. PostgreSQL and we make 16; other stores have shorter and longer ones.
    package static let salt = 1...64

    /// Fewest rounds of PBKDF2: what RFC 7677 §4 asks for at least. An impostor in the server's place could ask for a
    /// single one, and test its guesses on the answer at no cost.
    package static let minIterations = 4096

    /// Most rounds of PBKDF2: 30 ms of a core that has instructions for SHA-256, some 100 ms of one that has not. A
    /// server names the number before it has shown that it knows anything: a malicious one must not make its clients
    /// compute for long.
    package static let maxIterations = 131_072

    /// Bytes of a key, a proof and a verifier: those of SHA-256.
    package static let keySize = 32

    /// Longest value of `c=`, decoded: the longest GS2 header and 32 bytes of binding are 48.
    static let maxChannelBinding = 128

    /// Longest value of `e=`, in bytes: it ends in a log.
    static let maxError = 128

    /// A count of rounds in decimal, as a message and a stored secret have it: without sign, blanks and leading zeros,
    /// and within the limits; else nil.
    package static func iterations(_ digits: ArraySlice<UInt8>) -> Int? {
        guard digits.count <= 6, digits.first != 0x30 else { return nil }
        var number = 0
        for digit in digits {
            guard Octet.isDigit(digit) else { return nil }
            number = number * 10 + Int(digit & 15)
        }
        return (minIterations...maxIterations).contains(number) ? number : nil
    }
}
