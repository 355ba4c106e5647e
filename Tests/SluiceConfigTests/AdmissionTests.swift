import SluiceExchange
import SluiceTime
import SluiceTraffic
import Testing

@testable import SluiceConfig

/// Classes, tenants and pools' admission, as an operator writes them.
@Suite struct AdmissionTests {
    /// SHA-256 of a key, by the digit it begins with.
    private static func hash(_ digit: String) -> String {
        digit + String(repeating: "0", count: 63)
    }

    @Test func `every key reaches the settings and is shown`() throws {
        let text = """
            classes:
              - {name: fast, ttft_slo: 500ms, ttft_per_1k_prompt_tokens: 100ms, tpot_slo: 60ms,
                 min_share: 0.2, long_prompt: refuse}
              - {name: slow, ttft_slo: none, max_share: 0.8, queue_wait_max: 1h}
            default_class: slow
            tenants:
              - {name: search, weight: 4, key_sha256: [\(Self.hash("A")), \(Self.hash("b"))],
                 default_class: fast, requests_per_minute: 60, tokens_per_minute: none}
              - {name: anonymous, weight: 0.5, class_max: slow, tokens_per_minute: 5000}
            pools:
              - name: p
                replicas: [http://h:1]
                admission: {mode: shadow, slots_max: 64, gateways: 3, exclusive: on,
                  no_replica_wait: 1m, overload_status: 503, session_header: X-Chat}
            """
        let read = try settings(text)
        var fast = ClassPolicy(name: "fast", timeToFirstToken: .milliseconds(500))
        fast.perThousandPromptTokens = .milliseconds(100)
        fast.timePerToken = .milliseconds(60)
        fast.minShare = 0.2
        fast.longPrompt = .refuse
        var slow = ClassPolicy(name: "slow")
        slow.maxShare = 0.8
        slow.queueWaitMax = .seconds(3_600)
        var search = TenantSettings(name: "search")
        search.weight = 4
        search.keyHashes = [Self.hash("a"), Self.hash("b")]
        search.defaultClass = "fast"
        search.quota.requestsPerMinute = 60
        var others = TenantSettings(name: "anonymous")
        others.weight = 0.5
        others.classMax = "slow"
        others.quota.tokensPerMinute = 5_000
        var admission = PoolAdmissionSettings()
        admission.mode = .shadow
        admission.slotsMax = 64
        admission.gateways = 3
        admission.isExclusive = true
        admission.noReplicaWait = .seconds(60)
        admission.overloadStatus = 503
        admission.sessionHeader = "x-chat"
        #expect(read.classes == [fast, slow])
        #expect(read.defaultClass == "slow" && read.defaultClassIndex == 1)
        #expect(read.tenants == [search, others])
        #expect(read.pools.map(\.admission) == [admission])
        let again = try settings(Configuration.render(read))
        #expect(again == read)
    }

    @Test func `an objective alone is one class with it`() throws {
        var flags = ServeFlags()
        flags.firstTokenObjective = "500ms"
        let standard = ClassPolicy(name: "standard", timeToFirstToken: .milliseconds(500))
        let byFlag = try settings(pool, flags: flags)
        let byVariable = try settings(pool, environment: ["SLUICE_TTFT_SLO": "500ms"])
        let byFile = try settings("ttft_slo: 500ms\n\(pool)")
        #expect(
            [byFlag, byVariable, byFile].map(\.classes) == [[standard], [standard], [standard]])
        let again = try settings(Configuration.render(byFlag))
        #expect(again == byFlag)
    }

    @Test func `an objective and classes contradict each other, and the error says where`() {
        let text = "classes: [{name: a}]\n\(pool)"
        var flags = ServeFlags()
        flags.firstTokenObjective = "500ms"
        let byFlag = onlyError(text, flags: flags)
        #expect(
            byFlag.hasPrefix("--ttft-slo: error: ttft_slo: contradicts `classes` (line 1)"),
            "\(byFlag)")
        let byVariable = onlyError(text, environment: ["SLUICE_TTFT_SLO": "1s"])
        #expect(byVariable.hasPrefix("environment SLUICE_TTFT_SLO: error: ttft_slo: contradicts"))
        let byFile = onlyError("ttft_slo: 1s\n\(text)")
        #expect(byFile.hasPrefix("s.yaml:1:11: error: ttft_slo: contradicts `classes` (line 2)"))
    }

    @Test func `without classes and objective there is one class, and admission is off`() throws {
        let read = try settings(pool)
        #expect(read.classes == [ClassPolicy(name: "standard")])
        #expect(read.defaultClass == "standard" && read.tenants.isEmpty)
    }

    @Test func `a single class is the default whatever it is called`() throws {
        #expect(try settings("classes: [{name: a}]\n\(pool)").defaultClass == "a")
    }

    @Test func `objectives of classes become bounds of the histograms`() throws {
        let read = try settings(
            "ttft_objectives: [2s, 3s]\nclasses: [{name: standard, ttft_slo: 2s}, {name: b}]\n\(pool)"
        )
        #expect(read.firstTokenBounds == [.seconds(2), .seconds(3)])
    }

    @Test(arguments: [
        ("ttft_slo: 0s", "ttft_slo: `0s` is below the smallest allowed value"),
        ("ttft_slo: 500", "Write 500s or 500ms."),
        ("ttft_slo: 2h", "Allowed: 1ms … 1h, or none. Default: none."),
        ("classes: []", "classes: names no class"),
        ("classes: [{name: a, ttft_slo: 0ms}]", "classes[0].ttft_slo: `0ms` is below"),
        ("classes: [{ttft_slo: 1s}]", "classes[0]: `name` is missing"),
        ("classes: [{name: a b}]", "`a b` is not a name"),
        ("classes: [{name: a, max_share: 1.5}]", "`1.5` is above the largest allowed value"),
        ("classes: [{name: a, max_share: 0.01}]", "Allowed: 0.05 … 1."),
        ("classes: [{name: a, min_share: -0.1}]", "`-0.1` is below the smallest allowed value"),
        ("classes: [{name: a, min_share: nan}]", "`nan` is not a number"),
        (
            "classes: [{name: a, max_share: 0.2, min_share: 0.3}]",
            "classes[0].min_share: `0.3` exceeds max_share (0.2) (line 1)"
        ),
        (
            "classes: [{name: standard, min_share: 0.6}, {name: b, min_share: 0.5}]",
            "classes[1].min_share: the min_share of all classes together is 1.1"
        ),
        (
            "classes: [{name: a, ttft_per_1k_prompt_tokens: 1s}]",
            "classes[0].ttft_per_1k_prompt_tokens: `1s` is given without ttft_slo"
        ),
        ("classes: [{name: a, tpot_slo: 0s}]", "Allowed: 1ms … 1m, or none."),
        ("classes: [{name: a, long_prompt: refus}]", "Did you mean refuse?"),
        ("classes: [{name: a, ttft: 1s}]", "classes[0].ttft: unknown key"),
        (
            "classes: [{name: standard}, {name: standard}]",
            "classes[1].name: `standard` is the name of another class: classes[0].name (line 1)"
        ),
        (
            "classes: [{name: a}, {name: b}]",
            "classes: none is called `standard`, and default_class is not given"
        ),
        (
            "classes: [{name: critical}, {name: batch}]\ndefault_class: critcal",
            "Did you mean critical? Allowed: critical, batch."
        ),
        (
            "classes: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}, {name: g}, {name: h}, {name: standard}]",
            "classes: has 9 items"
        ),
        ("tenants: [{name: a, weight: -1}]", "tenants[0].weight: `-1` is below the smallest"),
        ("tenants: [{name: a, weight: 101}]", "Allowed: 0.01 … 100."),
        (
            "tenants: [{name: a, requests_per_minute: 0}]",
            "tenants[0].requests_per_minute: `0` is below the smallest"
        ),
        ("tenants: [{name: a, tokens_per_minute: 1.5}]", "`1.5` is not a whole number"),
        ("tenants: [{weight: 1}]", "tenants[0]: `name` is missing"),
        ("tenants: [{name: a}, {name: a}]", "tenants[1].name: `a` is the name of another tenant"),
        (
            "tenants: [{name: a, default_class: batch}]",
            "tenants[0].default_class: `batch` is not one of the classes (default)"
        ),
        ("tenants: [{name: a, class_max: standart}]", "Did you mean standard?"),
        (
            "tenants: [{name: a, key_sha256: \(hash("a"))}]",
            "Write it as [\(hash("a"))]"
        ),
        (
            "tenants: [{name: anonymous, key_sha256: [\(hash("a"))]}]",
            "is given for `anonymous`"
        ),
        (
            "tenants: [{name: a, key_sha256: [\(hash("a"))]}, {name: b, key_sha256: [\(hash("A"))]}]",
            "is listed already: tenants[0].key_sha256[0] (line 1)"
        ),
    ])
    func `a wrong value is named with what is allowed`(text: String, expected: String) {
        let found = onlyError("\(text)\n\(pool)")
        #expect(found.contains(expected), "\(found)")
        #expect(found.hasPrefix("s.yaml:"), "\(found)")
    }

    @Test(arguments: [
        ("mode: enforced", "Did you mean enforce?"),
        ("slots_max: 0", "Allowed: 1 … 65,536, or auto."),
        ("gateways: 1001", "Allowed: 1 … 1,000, or auto."),
        ("exclusive: 1", "neither true nor false"),
        ("no_replica_wait: 2h", "Allowed: 0s … 1h."),
        ("overload_status: 500", "Allowed: 429 or 503. Default: 429."),
        ("session_header: 'a b'", "`a b` is not the name of a header field"),
    ])
    func `a wrong value of a pool's admission is refused`(text: String, expected: String) {
        let found = onlyError(
            "pools: [{name: a, replicas: [http://h:1], admission: {\(text)}}]")
        #expect(found.contains(expected), "\(found)")
        #expect(found.contains("pools[0].admission."), "\(found)")
    }

    @Test func `a key in place of its hash is never printed`() {
        let found = errors("tenants: [{name: a, key_sha256: [sk-very-secret]}]\n\(pool)")
        #expect(found.text.contains("tenants[0].key_sha256[0]: the value is not a SHA-256"))
        #expect(!found.text.contains("very-secret"), "\(found.text)")
    }

    @Test func `a tenant's default class beyond its ceiling is refused`() {
        let found = onlyError(
            """
            classes: [{name: fast, ttft_slo: 1s}, {name: standard, ttft_slo: 5s}]
            tenants: [{name: a, default_class: fast, class_max: standard}]
            \(pool)
            """)
        #expect(
            found.contains("`fast` is more urgent than class_max `standard` (line 2)"), "\(found)")
    }

    @Test(arguments: [16, 17])
    func `objectives are bounded together with those of classes`(count: Int) throws {
        let list = (2...count).map { "\($0)s" }.joined(separator: ", ")
        let text = "ttft_objectives: [\(list)]\nttft_slo: 1s\n\(pool)"
        if count == 16 {
            #expect(try settings(text).firstTokenBounds.count == 16)
        } else {
            #expect(onlyError(text).contains("with those of the classes there are 17 objectives"))
        }
    }

    @Test(arguments: [1_023, 1_024])
    func `tenants are bounded`(count: Int) throws {
        let list = (1...count).map { "{name: t\($0), key_sha256: []}" }.joined(separator: ", ")
        let text = "trusted_proxies: [10.0.0.0/8]\ntenants: [\(list)]\n\(pool)"
        if count == 1_023 {
            #expect(try settings(text).tenants.count == 1_023)
        } else {
            #expect(onlyError(text).contains("Allowed: at most 1023."))
        }
    }

    @Test func `the summary names classes where they matter`() throws {
        func summary(_ text: String) throws -> String {
            try Configuration.read("\(text)\n\(pool)", name: "s.yaml").summary
        }
        let two = try summary("classes: [{name: a, ttft_slo: 500ms}, {name: standard}]")
        #expect(two.contains("classes  a (ttft 500ms), standard\n"), "\(two)")
        #expect(try !summary("").contains("classes"))
    }

    @Test func `what has no effect is a warning`() throws {
        let read = try Configuration.read(
            "tenants: [{name: a, weight: 2}]\n\(pool)", name: "s.yaml")
        #expect(read.warnings.count == 2)
        #expect(read.summary.contains("admission is off"))
        #expect(read.summary.contains("nobody can say that it is this tenant"))
    }
}
