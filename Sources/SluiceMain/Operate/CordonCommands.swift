import ArgumentParser
import SluiceBytes
import SluiceHTTP

/// `sluice cordon`: sends a replica nothing new.
struct CordonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordon",
        abstract: "Send a replica nothing new; what runs there goes on to its end.",
        discussion: """
            The name is that of the page /replicas. Each gateway has its own cordons, and forgets \
            them with a restart.

            EXAMPLES
              sluice cordon gpu-d
              sluice cordon gpu-d --admin http://10.0.0.5:9801
            """)

    @Argument(help: "Name of the replica.") var replica: String
    @OptionGroup var client: AdminClient

    func run() throws {
        try client.ask(.post, "/replicas/\(PercentText.encoded(replica))/cordon")
    }
}

/// `sluice uncordon`: takes a replica back.
struct UncordonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uncordon", abstract: "Take a cordoned replica back.")

    @Argument(help: "Name of the replica.") var replica: String
    @OptionGroup var client: AdminClient

    func run() throws {
        try client.ask(.post, "/replicas/\(PercentText.encoded(replica))/uncordon")
    }
}
