import Testing

@testable import SluiceConfig

@Suite struct ListenAddressTests {
    @Test(arguments: [
        ("0.0.0.0:80", "127.0.0.1:80", true), ("127.0.0.1:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "127.0.0.2:80", false), ("127.0.0.1:80", "127.0.0.1:81", false),
        ("[::]:80", "10.0.0.1:80", true), ("0.0.0.0:80", "[::1]:80", false),
        ("[::1]:80", "[0::1]:80", true), ("0.0.0.0:0", "0.0.0.0:0", false),
        (":80", "[::]:80", true),
    ])
    func `addresses collide when both cannot be bound`(a: String, b: String, collide: Bool) throws {
        let (a, b) = (try ListenAddress(a), try ListenAddress(b))
        #expect(a.collides(with: b) == collide)
        #expect(b.collides(with: a) == collide)
    }

    @Test(arguments: [
        "", "8080", "localhost:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "::1:80",
        "[::1]", "http://1.2.3.4:80", "1.2.3.4:+80", "host:80",
    ])
    func `listeners need an address and a port`(text: String) {
        #expect(throws: ValueProblem.self) { try ListenAddress(text) }
    }

    @Test(arguments: ["10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "::/0", "fd00::/8", "0.0.0.0/0"])
    func `blocks are read`(text: String) throws { try AddressBlockText.check(text) }

    @Test(arguments: [
        "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.1.0.0/8", "10.0.0.0/8/8", "x/8",
        "::/129", "fd00::1/8", "10.0.0.0/+8",
    ])
    func `what is no block is refused`(text: String) {
        #expect(throws: ValueProblem.self) { try AddressBlockText.check(text) }
    }
}
