import SluiceHTTP
import Testing

@testable import SluiceConfig

@Suite struct ReplicaURLTextTests {
    private func problem(_ text: String, allowsPath: Bool = false) -> ValueProblem? {
        do throws(ValueProblem) {
            try ReplicaURLText.read(text, allowsPath: allowsPath)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a replica has no path but a slash, metrics have one`() throws {
        #expect(try ReplicaURLText.read("https://gpu-a:8443/").authority == "gpu-a:8443")
        #expect(problem("http://a/v1")?.advice == "The client's path is used: write http://a.")
        #expect(problem("http://a:1?x")?.advice == "The client's path is used: write http://a:1.")
        #expect(try ReplicaURLText.read("http://a:1/m?x=1", allowsPath: true).path == "/m?x=1")
    }

    @Test(arguments: [
        ("10.0.0.1:8000", "`10.0.0.1:8000` has no scheme", "Did you mean http://10.0.0.1:8000?"),
        // What is allowed is said by who knows the key.
        ("ftp://a", "`ftp://a` has scheme `ftp`", nil),
        ("http://a:x", "`http://a:x` has no valid port (1 … 65535)", nil),
        ("http://::1", "`http://::1` has no valid IPv6 address", "Write it as http://[::1]:8000."),
    ])
    func `what is wrong, and what to write`(text: String, says: String, advice: String?) {
        #expect(problem(text) == ValueProblem(says, advice: advice))
    }

    @Test func `a password is not repeated`() throws {
        let found = try #require(problem("http://me:secret@a:1"))
        #expect(found.hidesLine)
        #expect(!found.problem.contains("secret"))
    }
}
