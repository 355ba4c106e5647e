import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTime
import SluiceVLLM

// One thread: it turns its loop itself until each answer is there.

/// Asks one replica everything that the gateway will want from it.
package final class Examination {
    /// What is known of the replica beforehand.
    package struct Subject: Sendable {
        package let target: LoadTarget
        /// Where `/metrics` is, when not at the target.
        package var metrics: LoadTarget?
        package var apiKey: String?
        /// Models that clients will ask for; empty: what the replica reports.
        package var models: [String] = []

        package init(target: LoadTarget) { self.target = target }
    }

    package let subject: Subject
    package private(set) var findings: [Finding] = []
    /// Whether it answers at all; without, the rest has not been asked.
    package private(set) var answers = false
    /// Told of each finding when it is made.
    package var onFinding: (Finding) -> Void = { _ in }
    private let loop: EndpointLoop
    private let client: HTTPClient
    private var idleSince: Instant?

    /// For one answer.
    package static let answerMax = Nanoseconds.seconds(5)
    /// Models named in a line.
    private static let modelsShown = 4

    package init(_ subject: Subject, on loop: EndpointLoop) {
        self.subject = subject
        self.loop = loop
        client = HTTPClient(on: loop, idleMax: 1)
    }

    /// Everything but the idle connection; ends within some 25 s.
    package func run() {
        examineHealth()
        guard answers else { return }
        examineVersion()
        examineModels()
        examineMetrics()
    }

    private func add(
        _ verdict: Finding.Verdict, _ check: String, _ text: String, step: String? = nil
    ) {
        let finding = Finding(verdict, check, text, step: step)
        findings.append(finding)
        onFinding(finding)
    }

    private func ask(
        _ path: String, key: String? = nil, at target: LoadTarget? = nil, bytesMax: Int = 4 << 20
    ) -> (result: Result<FetchedAnswer, ClientFailure>, time: Nanoseconds) {
        let target = target ?? subject.target
        var request = HTTPClient.request(.get, path, at: target, apiKey: key)
        request.totalMax = Self.answerMax
        request.bodyBytesMax = bytesMax
        let begun = MonotonicClock.now()
        let result = client.fetchNow(request, at: target, on: loop)
        return (result, MonotonicClock.now() - begun)
    }

    // MARK: Health and version

    private func examineHealth() {
        let (result, time) = ask("/health")
        switch result {
        case .success(let answer) where answer.status == 200:
            answers = true
            add(.ok, "health", "200 in \(Figure.span(time))")
        case .success(let answer) where answer.status == 503:
            answers = true
            add(
                .fail, "health", "503: the engine is dead",
                step: "look at the end of vLLM's log and restart it; the gateway sends it nothing")
        case .success(let answer):
            answers = true
            add(
                .warn, "health", "/health answers \(answer.status)",
                step: "is this vLLM? the gateway takes any answer for life, but cannot see it die")
        case .failure(let failure):
            add(.fail, "health", failure.sentence, step: step(for: failure))
        }
    }

    private func step(for failure: ClientFailure) -> String {
        switch failure {
        case .refused:
            "is vLLM started, on this port, and not on 127.0.0.1 only (--host 0.0.0.0)? "
                + "it listens only after loading the model"
        case .connect: "check the address, routes and network policies between here and there"
        case .timeout:
            "a firewall that drops packets, or a process that hangs: try curl -v \(subject.target.url)/health"
        case .closed, .malformed, .tooLarge, .tls:
            subject.target.isTLS
                ? "is it TLS on this port, and the CA file the right one?"
                : "is it plain HTTP on this port? for TLS write https://"
        }
    }

    private func examineVersion() {
        guard case .success(let answer) = ask("/version").result, answer.status == 200 else {
            return add(
                .warn, "version", "/version does not answer",
                step: "is this vLLM? others work as long as they speak the OpenAI API")
        }
        let body = answer.body
        guard let reply = VersionReply(body.span) else {
            return add(.warn, "version", "/version is not vLLM's JSON", step: "is this vLLM?")
        }
        add(.ok, "version", "vLLM \(reply.version)")
    }

    // MARK: Key and models

    private func examineModels() {
        let keyless = ask("/v1/models").result
        var answer = keyless
        if let key = subject.apiKey { answer = ask("/v1/models", key: key).result }
        examineKey(without: Self.status(keyless), with: Self.status(answer))
        switch answer {
        case .success(let answer) where answer.status == 200: takeModels(answer.body)
        case .success(let answer) where answer.status == 401 || answer.status == 403: break
        case .success(let answer):
            add(
                .fail, "models", "/v1/models answers \(answer.status)",
                step: "is this an OpenAI endpoint? a URL with a path in front is not supported")
        case .failure(let failure):
            add(.fail, "models", "/v1/models: \(failure.sentence)", step: step(for: failure))
        }
    }

    private static func status(_ result: Result<FetchedAnswer, ClientFailure>) -> Int {
        if case .success(let answer) = result { answer.status } else { 0 }
    }

    private func examineKey(without: Int, with: Int) {
        let asks = without == 401 || without == 403
        switch (asks, subject.apiKey != nil, with == 401 || with == 403) {
        case (true, false, _):
            add(
                .fail, "key", "asks for an API key (\(without)), and none is given",
                step:
                    "put vLLM's --api-key into a file and name it: api_key_file, or --api-key-file")
        case (_, true, true):
            add(
                .fail, "key", "rejects the API key (\(with))",
                step: "compare the file with vLLM's --api-key or VLLM_API_KEY")
        case (true, true, false): add(.ok, "key", "takes the API key, and asks for one")
        case (false, true, false):
            add(
                .warn, "key", "answers without the API key too",
                step: "start vLLM with --api-key, or drop api_key_file")
        case (false, false, _): add(.ok, "key", "asks for none")
        }
    }

    private func takeModels(_ body: [UInt8]) {
        guard let models = (try? ModelList(body.span))?.models else {
            return add(
                .fail, "models", "/v1/models is not an OpenAI model list",
                step: "is this an OpenAI endpoint?")
        }
        guard !models.isEmpty else {
            return add(.fail, "models", "serves none", step: "look at vLLM's log")
        }
        var names = models.prefix(Self.modelsShown).map { model in
            model.maxModelLength.map { "\(model.id) (up to \($0) tokens)" } ?? model.id
        }
        if models.count > Self.modelsShown {
            names.append("and \(models.count - Self.modelsShown) more")
        }
        add(.ok, "models", names.joined(separator: ", "))
        let missing = subject.models.filter { name in !models.contains { $0.id == name } }
        if !missing.isEmpty {
            add(
                .fail, "models", "does not serve \(missing.joined(separator: ", "))",
                step: "start vLLM with --served-model-name, or correct the pool's models")
        }
    }

    // MARK: Signals

    private func examineMetrics() {
        let (result, time) = ask("/metrics", key: subject.apiKey, at: subject.metrics)
        switch result {
        case .success(let answer) where answer.status == 200: takeMetrics(answer.body, time)
        case .success(let answer):
            add(
                .fail, "metrics", "/metrics answers \(answer.status)",
                step: "the gateway routes by it: name its place with metrics_url")
        case .failure(let failure):
            add(
                .fail, "metrics", "/metrics: \(failure.sentence)",
                step: "the gateway routes by it: name its place with metrics_url")
        }
    }

    private func takeMetrics(_ body: [UInt8], _ time: Nanoseconds) {
        let metrics = Self.read(body)
        let found = Signal.allCases.count - metrics.missing.count
        let size = "\(body.count / 1_024) KB in \(Figure.span(time))"
        guard !metrics.isEmpty else {
            return add(
                .fail, "metrics", "\(size), and no signal of vLLM in it",
                step: "was vLLM started with --disable-log-stats? leave it out")
        }
        let missing = Signal.allCases.filter { metrics.missing.contains($0) }
        let names = missing.map { $0.label.description }.joined(separator: ", ")
        if metrics.waiting == nil || metrics.running == nil {
            add(
                .fail, "metrics", "\(found) of \(Signal.allCases.count) signals; missing: \(names)",
                step: "without waiting and running the gateway routes by its own requests alone")
        } else if missing.isEmpty {
            add(.ok, "metrics", "all \(found) signals, \(size)")
        } else {
            add(
                .ok, "metrics",
                "\(found) of \(Signal.allCases.count) signals, \(size); missing: \(names)")
        }
        if metrics.badLines + metrics.badSamples > 0 {
            add(
                .warn, "metrics",
                "\(metrics.badLines) lines and \(metrics.badSamples) values could not be read",
                step: "look at them: curl -s \(subject.target.url)/metrics")
        }
        takeLoad(metrics)
    }

    private func takeLoad(_ metrics: ReplicaMetrics) {
        guard let waiting = metrics.waiting, let running = metrics.running else { return }
        let cache = metrics.kvUsage.map { ", KV cache \(Figure.fixed($0 * 100, 0)) % full" } ?? ""
        let text =
            "\(Figure.plain(running)) running, \(Figure.plain(waiting)) waiting\(cache)"
        if metrics.isSleeping == true {
            add(.warn, "load", "\(text); the engine sleeps", step: "wake it: POST /wake_up")
        } else {
            add(.ok, "load", text)
        }
    }

    private static func read(_ body: [UInt8]) -> ReplicaMetrics {
        var metrics = VLLMMetrics()
        metrics.feed(body.span)
        return metrics.finish()
    }

    // MARK: The idle connection

    /// Leaves a connection idle; ``observeIdle(limit:)`` sees when it is closed.
    package func beginIdle() {
        client.closeIdle()
        _ = ask("/health")
        idleSince = MonotonicClock.now()
        if client.idleCount(to: subject.target.address) == 0 {
            idleSince = nil
            add(
                .warn, "keep-alive", "closes the connection after each answer",
                step: "each request will cost a connection; is a proxy in between?")
        }
    }

    /// Whether nothing is left to be seen.
    ///
    /// - Parameter limit: how long it waits, from ``beginIdle()``.
    package func observeIdle(limit: Nanoseconds) -> Bool {
        guard let since = idleSince else { return true }
        let span = MonotonicClock.now() - since
        if client.idleCount(to: subject.target.address) == 0 {
            idleSince = nil
            if span < .seconds(1) {
                add(
                    .warn, "keep-alive", "an idle connection is closed after \(Figure.span(span))",
                    step: "raise VLLM_HTTP_TIMEOUT_KEEP_ALIVE (5 s) for fewer new connections")
            } else {
                add(.ok, "keep-alive", "an idle connection is closed after \(Figure.span(span))")
            }
        } else if span >= limit {
            idleSince = nil
            add(.ok, "keep-alive", "an idle connection is still open after \(Figure.span(span))")
        }
        if idleSince == nil { client.closeIdle() }
        return idleSince == nil
    }
}
