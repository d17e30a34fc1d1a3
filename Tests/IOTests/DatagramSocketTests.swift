import Glibc
import Testing
import WMPWire

@testable import WMPIO

/// Writes down what a socket tells, and does with each datagram what the test wants.
private final class Ear: DatagramHandler, @unchecked Sendable {
    let received = Arrival()
    let failed = Arrival()
    var datagrams: [(bytes: [UInt8], sender: SocketAddress?)] = []
    var errors: [SystemError] = []
    var onDatagram: ((Ear, UnsafeRawBufferPointer, SocketAddress?) -> Void)?

    func datagramReceived(_ bytes: UnsafeRawBufferPointer, from sender: SocketAddress?) {
        datagrams.append((Array(bytes), sender))
        onDatagram?(self, bytes, sender)
        received.mark()
    }

    func datagramFailed(_ error: SystemError) {
        errors.append(error)
        failed.mark()
    }
}

private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ count) } }

/// Runs `body` on `loop` and waits for it.
private func on(_ loop: Loop, _ body: @escaping () throws -> Void) {
    let done = Arrival()
    loop.submit {
        do { try body() } catch { Issue.record(error) }
        done.mark()
    }
    #expect(done.reaches(1))
}

private func send(_ bytes: [UInt8], by socket: DatagramSocket, to address: SocketAddress? = nil)
    -> DatagramSocket.Sent
{
    bytes.withUnsafeBytes { socket.send($0, to: address) }
}

private func loopback(_ host: String, _ port: UInt16 = 0) throws -> SocketAddress {
    try #require(SocketAddress(numeric: host, port: port))
}

@Suite("A datagram socket")
struct DatagramSocketTests {
    @Test("passes datagrams of every size both ways, with their sender", arguments: ["127.0.0.1", "::1"])
    func echo(host: String) throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let server = try DatagramSocket(bound: try loopback(host), on: loop)
        #expect(server.address.port != 0 && server.address.host == host)
        let client = try DatagramSocket(connectedTo: server.address, on: loop)
        let (ear, clientEar) = (Ear(), Ear())
        ear.onDatagram = { _, bytes, sender in
            // Sent from the scratch it was read into.
            #expect(server.send(bytes, to: sender) == .sent)
        }
        on(loop) {
            try server.start(ear)
            try client.start(clientEar)
        }
        for (index, size) in [0, 1, 1472, 65_507, 0].enumerated() {
            on(loop) { #expect(send(bytes(size), by: client) == .sent) }
            #expect(ear.received.reaches(index + 1) && clientEar.received.reaches(index + 1))
        }
        #expect(loop.stop(within: 2000))
        #expect(server.isClosed && client.isClosed, "with their loop")
        #expect(ear.datagrams.map(\.bytes) == [0, 1, 1472, 65_507, 0].map(bytes))
        #expect(clientEar.datagrams.map(\.bytes) == ear.datagrams.map(\.bytes))
        #expect(ear.datagrams.allSatisfy { $0.sender == client.address })
        #expect(clientEar.datagrams.allSatisfy { $0.sender == nil })
        #expect(ear.errors.isEmpty && clientEar.errors.isEmpty)
    }

    @Test("at an unspecified IPv6 address serves both families, at one of its own only that")
    func families() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let both = try DatagramSocket(bound: try loopback("::"), on: loop)
        let ear = Ear()
        ear.onDatagram = { _, bytes, sender in #expect(both.send(bytes, to: sender) == .sent) }
        on(loop) { try both.start(ear) }
        for (index, host) in ["127.0.0.1", "::1"].enumerated() {
            let client = try DatagramSocket(connectedTo: try loopback(host, both.address.port), on: loop)
            let clientEar = Ear()
            on(loop) {
                try client.start(clientEar)
                #expect(send([7], by: client) == .sent)
            }
            #expect(clientEar.received.reaches(1) && ear.received.reaches(index + 1))
        }
        on(loop) { #expect(ear.datagrams.map { $0.sender?.host } == ["127.0.0.1", "::1"]) }
        let six = try DatagramSocket(bound: try loopback("::1"), on: loop)
        let four = try DatagramSocket(bound: try loopback("127.0.0.1", six.address.port), on: loop)
        #expect(four.address.port == six.address.port)
        #expect(loop.stop(within: 2000))
    }

    @Test("has its port alone")
    func portInUse() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let first = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
        #expect(throws: SystemError("bind", EADDRINUSE)) { try DatagramSocket(bound: first.address, on: loop) }
        first.close()
        #expect(throws: Never.self) { try DatagramSocket(bound: first.address, on: loop) }
        #expect(loop.stop(within: 2000))
    }

    @Test("reads some of a burst in a turn, and the rest in those that follow")
    func burst() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let server = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
        let client = try DatagramSocket(connectedTo: server.address, on: loop)
        let ear = Ear()
        nonisolated(unsafe) var afterOneTurn = 0
        ear.onDatagram = { ear, _, _ in
            guard ear.datagrams.count == 1 else { return }
            loop.later { afterOneTurn = ear.datagrams.count }
        }
        on(loop) {
            for number in 0..<200 { #expect(send([UInt8(number)], by: client) == .sent) }
            try server.start(ear)
        }
        #expect(ear.received.reaches(200))
        #expect(loop.stop(within: 2000))
        #expect(ear.datagrams.map(\.bytes) == (0..<200).map { [UInt8($0)] })
        #expect(afterOneTurn == 64)
    }

    @Test("closed by its handler says nothing more, and sends nothing")
    func closeInHandler() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let server = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
        let client = try DatagramSocket(connectedTo: server.address, on: loop)
        let ear = Ear()
        ear.onDatagram = { ear, _, _ in if ear.datagrams.count == 3 { server.close() } }
        on(loop) {
            for number in 0..<100 { #expect(send([UInt8(number)], by: client) == .sent) }
            try server.start(ear)
        }
        #expect(ear.received.reaches(3))
        on(loop) {
            #expect(server.isClosed && ear.datagrams.count == 3)
            #expect(send([1], by: server, to: client.address) == .failed(SystemError("sendto", EBADF)))
            server.close()
        }
        // Its port is free again, and who is there now has nothing to do with it.
        let next = try DatagramSocket(bound: server.address, on: loop)
        let nextEar = Ear()
        on(loop) {
            try next.start(nextEar)
            #expect(send([9], by: client) == .sent)
        }
        #expect(nextEar.received.reaches(1))
        #expect(loop.stop(within: 2000))
        #expect(ear.datagrams.count == 3 && nextEar.datagrams.map(\.bytes) == [[9]])
    }

    @Test("that moves to another loop hears there what came meanwhile, also in the midst of a burst")
    func move() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let other = try Loop(index: 1, name: "other-loop")
        let server = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
        let client = try DatagramSocket(connectedTo: server.address, on: loop)
        let (ear, otherEar) = (Ear(), Ear())
        ear.onDatagram = { ear, _, _ in
            guard ear.datagrams.count == 70 else { return }
            let moved = server.moved(to: other)
            #expect(server.isClosed && !moved.isClosed && moved.address == server.address)
            other.submit {
                do { try moved.start(otherEar) } catch { Issue.record(error) }
            }
        }
        on(loop) {
            for number in 0..<100 { #expect(send([UInt8(number)], by: client) == .sent) }
            try server.start(ear)
        }
        #expect(otherEar.received.reaches(30))
        #expect(loop.stop(within: 2000) && other.stop(within: 2000))
        #expect(ear.datagrams.map(\.bytes) == (0..<70).map { [UInt8($0)] })
        #expect(otherEar.datagrams.map(\.bytes) == (70..<100).map { [UInt8($0)] })
    }

    @Test("tells that nobody listens, stays open, and reaches who comes then")
    func refused() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let gone = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
        let client = try DatagramSocket(connectedTo: gone.address, on: loop)
        gone.close()
        let ear = Ear()
        on(loop) {
            try client.start(ear)
            #expect(send([1], by: client) == .sent)
        }
        #expect(ear.failed.reaches(1))
        on(loop) {
            #expect(ear.errors == [SystemError("recvfrom", ECONNREFUSED)])
            #expect(ear.errors.first?.isRefusal == true && !client.isClosed)
        }
        let here = try DatagramSocket(bound: gone.address, on: loop)
        let hereEar = Ear()
        hereEar.onDatagram = { _, bytes, sender in #expect(here.send(bytes, to: sender) == .sent) }
        on(loop) {
            try here.start(hereEar)
            #expect(send([2], by: client) == .sent)
        }
        #expect(ear.received.reaches(1))
        #expect(loop.stop(within: 2000))
        #expect(ear.datagrams.map(\.bytes) == [[2]] && ear.errors.count == 1)
    }

    @Test("tells what cannot be sent, and sends the next all the same")
    func failures() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        let server = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
        let client = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
        let ear = Ear()
        on(loop) {
            try server.start(ear)
            #expect(send(bytes(65_508), by: client, to: server.address) == .failed(SystemError("sendto", EMSGSIZE)))
            #expect(send([1], by: client) == .failed(SystemError("sendto", EDESTADDRREQ)))
            #expect(send([2], by: client, to: server.address) == .sent)
        }
        #expect(ear.received.reaches(1))
        #expect(loop.stop(within: 2000))
        #expect(ear.datagrams.map(\.bytes) == [[2]])
    }

    @Test("costs no memory when it is let go unused")
    func unused() throws {
        let loop = try Loop(index: 0, name: "test-loop")
        weak var socket: DatagramSocket?
        let address: SocketAddress
        do {
            let bound = try DatagramSocket(bound: try loopback("127.0.0.1"), on: loop)
            socket = bound
            address = bound.address
        }
        #expect(socket == nil)
        #expect(throws: Never.self) { try DatagramSocket(bound: address, on: loop) }
        #expect(loop.stop(within: 2000))
    }
}
