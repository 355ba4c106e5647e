import Testing

@testable import SluiceConfig

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
