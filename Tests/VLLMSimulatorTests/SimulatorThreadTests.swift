import EndpointTestSupport
import Foundation
import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Testing
import VLLMSimulator

@Suite struct SimulatorThreadTests {
    private static var openDescriptors: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    }

    @Test func `it answers once made, and is gone once stopped`() throws {
        let loop = try EndpointLoop()
        let thread = try SimulatorThread(
            SimulatedReplica.Configuration(), listen: try #require(SocketAddress("127.0.0.1:0")))
        let peer = try RawPeer(to: thread.address, on: loop)
        peer.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n")
        let answered = loop.turn { peer.text.hasPrefix("HTTP/1.1 200 OK\r\n") }
        #expect(answered)
        thread.stop()
        thread.stop()
        let ended = loop.turn { peer.ending != .open }
        #expect(ended)
        let late = try RawPeer(to: thread.address, on: loop)
        let refused = loop.turn { late.ending != .open }
        #expect(refused)
        #expect(late.bytes.isEmpty)
    }

    @Test func `a port in use is an error at the caller`() throws {
        let first = try SimulatorThread(
            SimulatedReplica.Configuration(), listen: try #require(SocketAddress("127.0.0.1:0")))
        let error = #expect(throws: SystemError.self) {
            try SimulatorThread(SimulatedReplica.Configuration(), listen: first.address)
        }
        #expect(error?.isAddressInUse == true)
        first.stop()
    }

    @Test func `starting and stopping leaks no descriptor`() throws {
        let any = try #require(SocketAddress("127.0.0.1:0"))
        let before = Self.openDescriptors
        for _ in 0..<100 {
            let thread = try SimulatorThread(SimulatedReplica.Configuration(), listen: any)
            thread.stop()
        }
        // Other tests of the process open some meanwhile; a leak would be a hundred at least.
        #expect(Self.openDescriptors < before + 90)
    }
}
