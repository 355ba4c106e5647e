import ArgumentParser
import SluiceConfig
import SluiceExchange
import SluiceInsight

/// `sluice rules`: the alerts that follow from a configuration.
struct RulesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules",
        abstract: "Print Prometheus rules with the thresholds of a configuration.",
        discussion: """
            Recording rules, burn-rate alerts of every objective, the budget of 30 days, and alerts \
            on replicas, load and the gateway itself, each with a runbook. Jobs are expected to be \
            called sluice and vllm (or NAMESPACE/sluice, as the operator calls them).

            EXAMPLES
              sluice rules --config /etc/sluice/sluice.yaml > /etc/prometheus/sluice.rules.yaml
              sluice rules --config sluice.yaml --runbooks https://wiki.example.com/sluice/
              sluice rules --inhibition >> alertmanager.yml
            """)

    @Option(help: "The YAML file. (default: no file; the objectives without one)")
    var config: String?

    @Option(help: "What the addresses of runbooks begin with.")
    var runbooks = PrometheusPack.runbooksDefault

    @Flag(help: "Print the inhibit_rules of Alertmanager instead.")
    var inhibition = false

    func run() throws {
        if inhibition {
            print(PrometheusPack.inhibition, terminator: "")
            return
        }
        var settings = GatewaySettings()
        if let config {
            var flags = ServeFlags()
            flags.config = config
            let configuration = try loadConfiguration(flags)
            for warning in configuration.warnings { printError("warning: \(warning)\n") }
            settings = configuration.settings
        }
        let pack = PrometheusPack(objectives: settings.objectivesInForce, runbooks: runbooks)
        print(pack.rules, terminator: "")
    }
}
