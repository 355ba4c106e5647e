import ArgumentParser
import Foundation
import SluiceBench
import SluiceConfig
import SluiceEndpoint
import SluiceExchange
import SluiceReactor
import SluiceTime

/// `sluice doctor`: asks replicas what they offer.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Ask vLLM servers for version, models, signals, keep-alive and authentication.",
        usage: "sluice doctor (--config <file> | --replica <url> ...) [<options>]",
        discussion: """
            Asks every replica of the flags or the file what the gateway will want from it, and \
            says what to do about what is missing. Nothing is sent to a model. Leaves with 1 if \
            anything is FAIL: the gateway could not serve with it.

            EXAMPLES
              sluice doctor --replica http://127.0.0.1:8000
              sluice doctor --quick --replica http://gpu-a:8000 --replica http://gpu-b:8000
              sluice doctor --config /etc/sluice/sluice.yaml
            """)

    @OptionGroup var options: ReplicaOptions

    @Flag(help: "Leave out when idle connections are closed, which takes up to 8 seconds.")
    var quick = false

    @Option(
        help: ArgumentHelp(
            "File with the API key of replicas that name none. (default: none)", valueName: "file"))
    var apiKeyFile: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp(
            "CAs to believe for https replicas that name none. (default: the system's)",
            valueName: "file"))
    var authorityFile: String?

    /// How long an idle connection is watched.
    static let idleMax = Nanoseconds.seconds(8)

    func validate() throws { _ = try apiKeyFile.map { try apiKey(file: $0) } }

    func run() throws {
        try run(settings: try loadConfiguration(options.flags).settings)
    }

    /// Examines every replica of every pool and prints what it found.
    func run(settings: GatewaySettings) throws {
        let loop = try EndpointLoop()
        let progress = ProgressLine()
        var reports: [Report] = []
        for pool in settings.pools {
            for place in places(of: pool) { reports.append(report(place, pool, on: loop)) }
        }
        for (index, report) in reports.enumerated() {
            if index > 0 { say([""]) }
            say([report.title] + (report.problem?.lines ?? []))
            report.examination?.onFinding = { finding in
                progress.clear()
                say(finding.lines)
            }
            progress.show(at: loop.now) { "asking \(report.title) …" }
            report.examination?.run()
            progress.clear()
        }
        if !quick {
            for report in reports where reports.count > 1 {
                report.examination?.onFinding = { finding in
                    progress.clear()
                    say(["", report.title] + finding.lines)
                }
            }
            watchIdle(reports.compactMap(\.examination), loop, progress)
        }
        progress.clear()
        say([""])
        let all = reports.flatMap(\.findings)
        let counts = Finding.Verdict.allCases.map { verdict in
            "\(all.count { $0.verdict == verdict }) \(verdict.rawValue)"
        }
        print(
            "\(reports.count) replica\(reports.count == 1 ? "" : "s"): \(counts.joined(separator: ", "))"
        )
        if reports.isEmpty || all.contains(where: { $0.verdict == .fail }) { throw ExitCode(1) }
    }

    private func watchIdle(
        _ examinations: [Examination], _ loop: EndpointLoop, _ progress: ProgressLine
    ) {
        let open = examinations.filter(\.answers)
        for examination in open { examination.beginIdle() }
        var isOver = open.isEmpty
        while !isOver {
            loop.turn(maxWait: .milliseconds(20))
            progress.show(at: loop.now) {
                "watching idle connections, at most 8 s (--quick leaves this out) …"
            }
            isOver = true
            for examination in open where !examination.observeIdle(limit: Self.idleMax) {
                isOver = false
            }
        }
    }

    /// Prints lines at once, through a pipe too.
    private func say(_ lines: [String]) {
        for line in lines { print(line) }
        fflush(nil)
    }

    // MARK: What to examine

    /// One replica, or why there is nothing to examine.
    private struct Report {
        let title: String
        var examination: Examination?
        var problem: Finding?

        var findings: [Finding] { problem.map { [$0] } ?? examination?.findings ?? [] }
    }

    private struct Place {
        var settings: ReplicaSettings
        var address: SocketAddress?
        var problem: Finding?
    }

    private func places(of pool: PoolSettings) -> [Place] {
        var places = pool.replicas.map { Place(settings: $0) }
        guard let url = pool.replicaDNS else { return places }
        var settings = ReplicaSettings(url: url)
        settings.apiKeyFile = pool.apiKeyFile
        settings.caFile = pool.caFile
        do throws(LoadTarget.Problem) {
            let target = try LoadTarget(url: url, authorityFile: pool.caFile ?? authorityFile)
            if case .success(let all) = SocketAddress.resolve(host: target.host, port: target.port)
            {
                places += all.map { Place(settings: settings, address: $0) }
            }
        } catch {
            places.append(
                Place(
                    settings: settings,
                    problem: Finding(.fail, "name", "\(error)", step: "check replica_dns")))
        }
        return places
    }

    private func report(_ place: Place, _ pool: PoolSettings, on loop: EndpointLoop) -> Report {
        let url = place.settings.url
        var title = place.settings.name.map { "\($0)  \(url)" } ?? url
        if let address = place.address { title += "  \(address)" }
        if let problem = place.problem { return Report(title: title, problem: problem) }
        do {
            var target = try LoadTarget(
                url: url, authorityFile: place.settings.caFile ?? authorityFile)
            if let address = place.address { target = target.at(address) }
            var subject = Examination.Subject(target: target)
            if let metrics = place.settings.metricsURL {
                let path = metrics.hasSuffix("/metrics") ? String(metrics.dropLast(8)) : metrics
                subject.metrics = try LoadTarget(
                    url: path, authorityFile: place.settings.caFile ?? authorityFile)
            }
            if let file = place.settings.apiKeyFile ?? apiKeyFile {
                subject.apiKey = try apiKey(file: file)
            }
            subject.models = pool.models
            return Report(title: title, examination: Examination(subject, on: loop))
        } catch let problem as LoadTarget.Problem {
            return Report(
                title: title,
                problem: Finding(.fail, "address", "\(problem)", step: "check the URL and the name")
            )
        } catch {
            return Report(
                title: title,
                problem: Finding(.fail, "key", "\(error)", step: "check api_key_file"))
        }
    }
}
