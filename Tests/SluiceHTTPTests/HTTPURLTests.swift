import SluiceHTTP
import Testing

@Suite struct HTTPURLTests {
    @Test(arguments: [
        ("http://10.0.0.1:8000", "10.0.0.1:8000", false),
        ("https://gpu-a:8443/", "gpu-a:8443", true),
        ("http://vllm.models.svc.cluster.local", "vllm.models.svc.cluster.local:80", false),
        ("https://[::1]:8000", "[::1]:8000", true), ("https://a", "a:443", true),
        ("http://my_service:1", "my_service:1", false), ("http://a.b.:1", "a.b.:1", false),
    ])
    func `a URL is scheme, host and port`(text: String, authority: String, isTLS: Bool) throws {
        let url = try HTTPURL(text)
        #expect(url.authority == authority)
        #expect(url.isTLS == isTLS)
        #expect(try HTTPURL(url.origin).origin == url.origin)
    }

    @Test(arguments: [
        ("http://a", "", "/"), ("http://a/", "/", "/"), ("http://a:1/m?x=1", "/m?x=1", "/m?x=1"),
        ("http://a?x", "?x", "/?x"),
    ])
    func `the path is kept as given, and told as a target`(
        text: String, path: String, target: String
    ) throws {
        let url = try HTTPURL(text)
        #expect(url.path == path)
        #expect(url.target == target)
    }

    @Test(arguments: [
        ("", HTTPURLError.noScheme), ("10.0.0.1:8000", .noScheme),
        ("ftp://a:1", .otherScheme("ftp")),
        ("HTTP://a:1", .otherScheme("HTTP")), ("http://", .noHost), ("http://:80", .noHost),
        ("http://a:0", .badPort), ("http://a:65536", .badPort), ("http://a:", .badPort),
        ("http://a:+1", .badPort), ("http://a:x", .badPort), ("http://a:1#x", .fragment),
        ("http://u:p@a:1", .credentials), ("u@a", .credentials), ("ftp://u:p@a", .credentials),
        ("http://::1:80", .badIPv6), ("http://[::1", .badIPv6), ("http://[1.2.3.4]:80", .badIPv6),
        ("http://256.0.0.1:80", .badIPv4), ("http://a b:1", .badName), ("http://a..b:1", .badName),
        ("http://a\n:1", .badName), ("http://ä:1", .badName), ("http://a:1/\u{0}", .badPath),
        ("http://a:1/ m", .badPath),
    ])
    func `anything else is refused, and why`(text: String, error: HTTPURLError) {
        #expect(throws: error) { try HTTPURL(text) }
    }

    @Test func `a name has labels of 63 and no more than 253 characters`() {
        let label = String(repeating: "a", count: 63)
        #expect((try? HTTPURL("http://\(label):1")) != nil)
        #expect(throws: HTTPURLError.badName) { try HTTPURL("http://a\(label):1") }
        let longest = Array(repeating: label, count: 4).joined(separator: ".").dropLast(2)
        #expect((try? HTTPURL("http://\(longest)")) != nil)
        #expect(throws: HTTPURLError.badName) { try HTTPURL("http://\(longest)a") }
    }
}
