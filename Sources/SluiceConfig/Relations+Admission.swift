import SluiceExchange
import SluiceTraffic

/// Classes and tenants that contradict each other.
extension Relations {
    mutating func checkClasses() {
        if context.origins["ttft_slo"] != nil, context.origins["classes"] != nil {
            report(
                "ttft_slo", "contradicts `classes`\(place("classes"))",
                "It is short for one class `standard`. Where classes are listed, give each its own ttft_slo and remove this one."
            )
        }
        if settings.classes.isEmpty {
            report(
                "classes", "names no class",
                "List at least one, or remove the key: there is then one class `standard` without objective."
            )
        }
        var names: [String: String] = [:]
        for (index, one) in settings.classes.enumerated() {
            let path = "classes[\(index)]"
            if !one.name.isEmpty {
                checkUnique(one.name, "\(path).name", &names, "is the name of another class")
            }
            if one.timeToFirstToken == nil, one.perThousandPromptTokens > .zero,
                !wasRefused("\(path).ttft_slo")
            {
                report(
                    "\(path).ttft_per_1k_prompt_tokens",
                    "`\(DurationText.text(one.perThousandPromptTokens))` is given without ttft_slo",
                    "It is added to the objective: give the class a ttft_slo, or remove it.")
            }
            if one.minShare > one.maxShare {
                report(
                    "\(path).min_share",
                    "\(quoted(shown(one.minShare))) exceeds max_share (\(shown(one.maxShare)))\(place("\(path).max_share"))",
                    "The class could never get what it is promised.")
            }
        }
        let shares = settings.classes.reduce(0) { $0 + $1.minShare }
        // A ten-thousandth for sums such as 0.7 + 0.2 + 0.1, which binary fractions do not hold.
        if shares > 1.000_1 {
            let last = settings.classes.lastIndex { $0.minShare > 0 } ?? 0
            report(
                "classes[\(last)].min_share",
                "the min_share of all classes together is \(shown(shares))",
                "Allowed: together at most 1, and less leaves room for urgency to decide.")
        }
        checkClass(settings.defaultClass, "default_class")
        let bounds = settings.firstTokenBounds.count
        if bounds > SettingsKeys.objectivesMax {
            report(
                "ttft_objectives", "with those of the classes there are \(bounds) objectives",
                "Allowed: together at most \(SettingsKeys.objectivesMax), each is a bucket of every histogram of first tokens."
            )
        }
    }

    mutating func checkTenants() {
        var names: [String: String] = [:]
        var keys: [String: String] = [:]
        for (index, tenant) in settings.tenants.enumerated() {
            let path = "tenants[\(index)]"
            if !tenant.name.isEmpty {
                checkUnique(tenant.name, "\(path).name", &names, "is the name of another tenant")
            }
            for (number, key) in tenant.keyHashes.enumerated() {
                checkUnique(
                    key, "\(path).key_sha256[\(number)]", &keys, "is listed already",
                    "One key is one tenant's: requests with it could not be told apart.")
            }
            if tenant.name == TenantSettings.anonymous, !tenant.keyHashes.isEmpty {
                report(
                    "\(path).key_sha256",
                    "is given for `anonymous`, which is who has no known key",
                    "Give the tenant another name, or remove its keys.")
            }
            if let name = tenant.defaultClass { checkClass(name, "\(path).default_class") }
            if let name = tenant.classMax { checkClass(name, "\(path).class_max") }
            if let first = urgency(of: tenant.defaultClass),
                let ceiling = urgency(of: tenant.classMax), first < ceiling
            {
                report(
                    "\(path).default_class",
                    "`\(tenant.defaultClass ?? "")` is more urgent than class_max `\(tenant.classMax ?? "")`\(place("\(path).class_max"))",
                    "Requests would never get it: name `\(tenant.classMax ?? "")` or a less urgent class."
                )
            }
        }
    }

    /// Reports a class that is not listed.
    private mutating func checkClass(_ name: String, _ path: String) {
        let known = settings.classes.map(\.name)
        // Where the list or a name in it was refused, nothing is known of what it would hold.
        guard !known.contains(name), !known.isEmpty, !known.contains(""), !wasRefused("classes"),
            !wasRefused(path)
        else { return }
        let near = Suggestion.nearest(to: name, among: known)
        let isDefault = context.origins[path] == nil
        report(
            isDefault ? "classes" : path,
            isDefault
                ? "none is called `\(name)`, and default_class is not given"
                : "\(quoted(name)) is not one of the classes\(place("classes"))",
            (near.map { "Did you mean \($0)? " } ?? "")
                + "\(isDefault ? "Say which one is meant, default_class: " : "Allowed: ")\(known.joined(separator: ", "))."
        )
    }

    private func urgency(of name: String?) -> Int? {
        settings.classes.firstIndex { $0.name == name }
    }

    /// Whether the value at the path has been refused already.
    private func wasRefused(_ path: String) -> Bool {
        context.error.issues.contains { $0.path == path }
    }

    /// At most four digits behind the point.
    private func shown(_ number: Double) -> String {
        RenderedValue.number((number * 10_000).rounded() / 10_000).json()
    }
}

extension Configuration {
    /// What is allowed of classes and tenants and probably not meant.
    static func admissionWarnings(_ settings: GatewaySettings) -> [String] {
        var warnings: [String] = []
        let hasObjective = settings.classes.contains { $0.timeToFirstToken != nil }
        let hasWeights = settings.tenants.contains { $0.weight != 1 }
        if !hasObjective, settings.classes.count > 1 || hasWeights {
            warnings.append(
                "no class has a ttft_slo: admission is off, and priorities and weights have no effect."
            )
        }
        for tenant in settings.tenants
        where tenant.keyHashes.isEmpty && tenant.name != TenantSettings.anonymous
            && settings.trustedProxies.isEmpty
        {
            warnings.append(
                "tenant \(tenant.name): it has no key_sha256, and without trusted_proxies nobody can say that it is this tenant."
            )
        }
        return warnings
    }
}
