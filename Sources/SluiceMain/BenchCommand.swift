import ArgumentParser

/// `sluice bench URL`: a load test of any OpenAI endpoint.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Load-test an OpenAI endpoint: first tokens, gaps, goodput.",
        discussion: """
            EXAMPLES
              sluice bench http://127.0.0.1:8080
            """)

    @Argument(help: "The endpoint, http://host:port.")
    var url: String

    func run() throws {
        throw NotBuiltYet(command: "bench")
    }
}
