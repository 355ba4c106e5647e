import Testing

@testable import SluiceBench

@Suite struct LoadTargetTests {
    @Test(arguments: [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", ""),
        ("http://127.0.0.1:8000/v1/", "127.0.0.1:8000", ""),
        ("http://127.0.0.1/a/v1", "127.0.0.1:80", "/a"), ("http://[::1]:9", "[::1]:9", ""),
        ("https://127.0.0.1", "127.0.0.1:443", ""),
    ])
    func `splits what people paste`(url: String, authority: String, prefix: String) throws {
        let target = try LoadTarget(url: url)
        #expect(target.authority == authority)
        #expect(target.prefix == prefix)
        #expect(target.isTLS == url.hasPrefix("https"))
    }

    @Test(arguments: [
        "", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:0",
        "http://127.0.0.1:70000", "http://me@127.0.0.1", "http://127.0.0.1/a b",
        "http://127.0.0.1/?x",
    ])
    func `refuses what is no URL, with a sentence`(url: String) {
        #expect(throws: LoadTarget.Problem.self) { try LoadTarget(url: url) }
    }

    @Test func `says what is wrong, and never a password`() {
        let problem = { (url: String) -> String in
            do throws(LoadTarget.Problem) {
                _ = try LoadTarget(url: url)
                return "nothing"
            } catch {
                return error.description
            }
        }
        #expect(problem("a:1") == "'a:1' has no scheme; write http://HOST:PORT")
        #expect(
            problem("http://a:0")
                == "'http://a:0' has no valid port (1 … 65535); write http://HOST:PORT")
        #expect(!problem("http://me:secret@a").contains("secret"))
    }
}
