import SluiceExchange
import SluiceTime
import SluiceTraffic

/// Keys of classes, tenants, and of a pool's admission.
enum AdmissionKeys {
    /// Keys of one tenant at most: two while one replaces the other, and some to spare.
    static let keysMax = 16

    static var firstTokenObjective: Key<GatewayDraft> {
        // Shown as the class that it makes.
        .optionalDuration(
            "ttft_slo", \.firstTokenObjective, SettingsKeys.objectiveRange,
            "Objective for the time to the first token: short for one class `standard` that has it; requests that would miss it wait or are refused."
        ).hidingWhen { _ in true }
    }

    static var classes: Key<GatewayDraft> {
        .sections(
            "classes", \.settings.classes, priorityClass, max: AdmissionPolicy.classesMax,
            fresh: ClassPolicy(name: ""),
            "Priority classes, the most urgent first; without an objective in any of them nothing is refused for its wait."
        )
    }

    static var defaultClass: Key<GatewayDraft> {
        .scalar(
            "default_class", \.settings.defaultClass, PoolKeys.nameForm,
            "Class of requests that name none and whose tenant has none.",
            parse: PoolKeys.readName, show: { .text($0) })
    }

    static var tenants: Key<GatewayDraft> {
        .sections(
            "tenants", \.settings.tenants, tenant, max: AdmissionPolicy.tenantsMax - 1,
            fresh: TenantSettings(name: ""),
            "Whose requests are told apart, by API key; all others are the tenant `anonymous`.")
    }

    private static var priorityClass: [Key<ClassPolicy>] {
        [
            name(\.name, "Value of the header x-sluice-class and of the label class; unique."),
            .optionalDuration(
                "ttft_slo", \.timeToFirstToken, SettingsKeys.objectiveRange,
                "Objective for the time to the first token; none: bounded by count, bytes and queue_wait_max alone."
            ),
            .duration(
                "ttft_per_1k_prompt_tokens", \.perThousandPromptTokens, .zero ... .seconds(60),
                "Added to ttft_slo for each thousand tokens of prompt."),
            .optionalDuration(
                "tpot_slo", \.timePerToken, .milliseconds(1) ... .seconds(60),
                "Objective for the mean time per output token; replicas get no more requests than keep it."
            ),
            .number(
                "max_share", \.maxShare, 0.05...1,
                "Part of a replica's window that the class may fill."),
            .number(
                "min_share", \.minShare, 0...1,
                "Part of the service that the class gets whatever is more urgent; together at most 1."
            ),
            .duration(
                "queue_wait_max", \.queueWaitMax, .seconds(1) ... .seconds(86_400),
                "Longest wait of a class without ttft_slo."),
            .choice(
                "long_prompt", \.longPrompt,
                "Prompts that cannot meet ttft_slo on an idle fleet: best_effort serves them after all others, refuse answers 429 infeasible."
            ),
        ]
    }

    private static var tenant: [Key<TenantSettings>] {
        [
            name(\.name, "Value of the label tenant; unique. `anonymous` stands for all others."),
            .number(
                "weight", \.weight, 0.01...100, "Service relative to the other tenants."),
            .list(
                "key_sha256", \.keyHashes,
                .text("64 hexadecimal digits", pattern: "^[0-9a-fA-F]{64}$"), max: keysMax,
                "SHA-256 of each API key by which the tenant is known: printf %s KEY | sha256sum.",
                parse: readHash, show: { .text($0) }),
            optionalName(
                "default_class", \.defaultClass,
                "Class of its requests that name none; without it that of the gateway."),
            optionalName(
                "class_max", \.classMax,
                "The most urgent class its requests may have; without it any."),
            .integer(
                "requests_per_minute", \.quota.requestsPerMinute, 1...1_000_000_000, orNil: "none",
                "Requests let in per minute, as many at once; beyond: 429 quota."),
            .integer(
                "tokens_per_minute", \.quota.tokensPerMinute, 1...1_000_000_000_000, orNil: "none",
                "Tokens of prompts and answers per minute, as many at once; beyond: 429 quota."),
        ]
    }

    /// Keys of `pools[].admission`.
    static var pool: [Key<PoolAdmissionSettings>] {
        [
            .choice(
                "mode", \.mode,
                "enforce refuses, shadow counts what it would have refused and refuses nothing, off does neither."
            ),
            .integer(
                "slots_max", \.slotsMax, 1...65_536, orNil: "auto",
                "vLLM's --max-num-seqs; auto learns it."),
            .integer(
                "gateways", \.gateways, 1...1_000, orNil: "auto",
                "Gateways in front of the same replicas, this one included; auto takes their load from the replicas' metrics."
            ),
            .boolean(
                "exclusive", \.isExclusive,
                "Whether nobody but this gateway sends to the replicas."),
            .duration(
                "no_replica_wait", \.noReplicaWait, .zero ... .seconds(3_600),
                "How long requests wait while no replica is up, for pools that scale from zero; 0s answers 503 at once."
            ),
            .scalar(
                "overload_status", \.overloadStatus, .numbers([429, 503]),
                "Status of refusals where capacity is contended.",
                parse: { text, _ throws(ValueProblem) in
                    guard let status = Int(text), status == 429 || status == 503 else {
                        throw ValueProblem("\(quoted(text)) is not one of the choices")
                    }
                    return status
                }, show: { .integer($0) }),
            .scalar(
                "session_header", \.sessionHeader,
                .text("the name of a header field", pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"),
                "Header field that names a conversation, so that its requests can go to one replica.",
                parse: readFieldName, show: { .text($0) }),
        ]
    }

    private static func name<Root>(
        _ target: WritableKeyPath<Root, String>, _ summary: String
    ) -> Key<Root> {
        .scalar(
            "name", target, PoolKeys.nameForm, summary, parse: PoolKeys.readName,
            show: { .text($0) }
        ).required()
    }

    private static func optionalName<Root>(
        _ key: String, _ target: WritableKeyPath<Root, String?>, _ summary: String
    ) -> Key<Root> {
        .optionalText(
            key, target, PoolKeys.nameForm, summary,
            check: { text, origin throws(ValueProblem) in try PoolKeys.readName(text, origin) })
    }

    /// - Throws: without the text or its line, for it may be the key itself.
    private static func readHash(_ text: String, _ origin: Origin) throws(ValueProblem) -> String {
        guard text.utf8.count == 64, text.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            throw ValueProblem(
                "the value is not a SHA-256 in hexadecimal digits",
                advice:
                    "Allowed: 64 hexadecimal digits, as `printf %s KEY | sha256sum` prints them; never the key itself.",
                hidesLine: true)
        }
        return text.lowercased()
    }

    /// Source: RFC 9110 §5.6.2 (token).
    private static func readFieldName(
        _ text: String, _ origin: Origin
    ) throws(ValueProblem) -> String {
        let isToken = text.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
        guard isToken, (1...64).contains(text.utf8.count) else {
            throw ValueProblem("\(quoted(text)) is not the name of a header field")
        }
        return text.lowercased()
    }
}

extension GatewayDraft {
    /// The step *default* for what depends on other keys: the short form becomes its class, and a
    /// single class is the default whatever it is called.
    mutating func completeClasses(_ context: ReadingContext) {
        if context.origins["classes"] == nil, let firstTokenObjective {
            settings.classes[0].timeToFirstToken = firstTokenObjective
        }
        if settings.classes.count == 1, context.origins["default_class"] == nil {
            settings.defaultClass = settings.classes[0].name
        }
    }
}
