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

@Suite struct ReplicaURLTextTests {
    @Test(arguments: [
        ("http://10.0.0.1:8000", "10.0.0.1:8000", false),
        ("https://gpu-a:8443/", "gpu-a:8443", true),
        ("http://vllm.models.svc.cluster.local", "vllm.models.svc.cluster.local:80", false),
        ("https://[::1]:8000", "[::1]:8000", true), ("https://a", "a:443", true),
        ("http://my_service:1", "my_service:1", false), ("http://a.b.:1", "a.b.:1", false),
    ])
    func `a replica is scheme, host and port`(text: String, authority: String, isTLS: Bool) throws {
        let url = try ReplicaURLText(text)
        #expect(url.authority == authority)
        #expect(url.isTLS == isTLS)
    }

    @Test(arguments: [
        "", "10.0.0.1:8000", "ftp://a:1", "http://", "http://:80", "http://a:0", "http://a:65536",
        "http://a:", "http://a:x", "http://a/v1", "http://a:1?x", "http://a:1#x", "http://u:p@a:1",
        "http://::1:80", "http://[::1", "http://[1.2.3.4]:80", "http://a b:1", "http://a..b:1",
        "http://256.0.0.1:80", "HTTP://a:1", "http://a\n:1", "http://ä:1", "http://a:1/\u{0}",
    ])
    func `anything else is refused`(text: String) {
        #expect(throws: ValueProblem.self) { try ReplicaURLText(text) }
    }

    @Test func `a metrics URL has a path`() throws {
        let url = try ReplicaURLText("http://a:1/m?x=1", allowsPath: true)
        #expect(url.path == "/m?x=1")
        #expect(throws: ValueProblem.self) { try ReplicaURLText("http://a:1/ m", allowsPath: true) }
    }
}

@Suite struct SuggestionTests {
    private let known = ["listen", "status", "admin", "head_bytes_max", "fields_max"]

    @Test(arguments: [
        ("listn", "listen"), ("lsiten", "listen"), ("headBytesMax", "head_bytes_max"),
        ("head-bytes-max", "head_bytes_max"), ("Status", "status"), ("field_max", "fields_max"),
    ])
    func `near misses are found`(word: String, near: String) {
        #expect(Suggestion.nearest(to: word, among: known) == near)
    }

    @Test(arguments: ["", "x", "banana", "timeouts"])
    func `what is near to nothing suggests nothing`(word: String) {
        #expect(Suggestion.nearest(to: word, among: known) == nil)
    }

    @Test func `long words cost nothing`() {
        #expect(Suggestion.nearest(to: String(repeating: "a", count: 100_000), among: known) == nil)
    }
}
