import SluiceReactor
import Testing

@testable import SluiceProxy

@Suite struct KnownAddressesTests {
    private func address(_ last: Int) throws -> SocketAddress {
        try #require(SocketAddress(host: "10.0.0.\(last)", port: 8_000))
    }

    @Test func `an answer in another order is the same answer`() throws {
        var known = KnownAddresses()
        let (a, b) = (try address(1), try address(2))
        var changes = [known.take([b, a], for: "n:1")]
        changes.append(known.take([a, b], for: "n:1"))
        changes.append(known.take([a], for: "n:1"))
        #expect(changes == [true, false, true])
        #expect(known.all(of: "n:1") == [a])
    }

    @Test func `one address is kept as long as the name has it`() throws {
        var known = KnownAddresses()
        let (a, b) = (try address(1), try address(2))
        _ = known.take([b, a], for: "n:1")
        #expect(known.address(of: "n:1") == b, "the resolver's first choice")
        _ = known.take([a, b], for: "n:1")
        #expect(known.address(of: "n:1") == b)
        _ = known.take([a], for: "n:1")
        #expect(known.address(of: "n:1") == a)
    }

    @Test func `an empty answer says nothing`() throws {
        var known = KnownAddresses()
        let a = try address(1)
        _ = known.take([a], for: "n:1")
        let isChanged = known.take([], for: "n:1")
        #expect(!isChanged && known.all(of: "n:1") == [a])
        #expect(known.all(of: "other:1").isEmpty && known.address(of: "other:1") == nil)
    }

    @Test func `names that are not asked for any more are forgotten`() throws {
        var known = KnownAddresses()
        let a = try address(1)
        for name in ["n:1", "n:2"] { _ = known.take([a], for: name) }
        known.keep(only: ["n:2"])
        #expect(known.address(of: "n:1") == nil && known.all(of: "n:1").isEmpty)
        #expect(known.address(of: "n:2") == a && known.all(of: "n:2") == [a])
    }
}
