import Testing

@testable import SluiceConfig

@Suite struct AddressTextTests {
    @Test(arguments: [
        "127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "fe80::1", "1:2:3:4:5:6:7:8",
        "::ffff:10.0.0.1", "2001:db8::", "1:2:3:4:5:6:7::",
    ])
    func `literals are read`(text: String) { #expect(AddressText(text) != nil) }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.-4", "a.b.c.d", ":", ":::",
        "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1.2.3",
        "fe80::1%lo",
        "::1:", "1.2.3.4:1::",
    ])
    func `what is no literal is not`(text: String) { #expect(AddressText(text) == nil) }

    @Test func `spellings of one address are equal`() {
        #expect(AddressText("::1") == AddressText("0:0:0:0:0:0:0:1"))
        #expect(AddressText("::FFFF:1.2.3.4") == AddressText("::ffff:102:304"))
    }

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
