import ArgumentParser
import Foundation
import SluiceConfig
import SluiceExchange
import SluiceProxy
import SluiceSimulation
import SluiceTime
import SluiceTraffic

/// What `sluice simulate --load` was asked, read from flags and files: a plan and the names in it.
struct PlannedQuestion {
    let plan: FleetPlan
    /// By class index.
    let classNames: [String]
    /// What was learned or left out while reading, for people.
    let notes: [String]

    init(_ options: PlanOptions) throws {
        var admission = try Self.admission(options)
        let model = try PlannedModel(options, slotsMax: admission?.policy.slotsMax)
        var fleet = FleetConfiguration(streams: [])
        let configured = admission?.pool.replicas.count ?? 0
        let count = options.replicas ?? (configured > 0 ? min(configured, 256) : Study.replicas)
        fleet.replicas = Array(repeating: model.engine, count: count)
        let gateways = options.gateways ?? admission?.policy.gateways ?? 1
        fleet.gatewayShares = Array(repeating: 1, count: min(gateways, 64))
        if options.scrape == "off" {
            fleet.scrapeInterval = nil
        } else if let interval = try options.scrapeInterval() ?? admission?.pool.scrapeInterval {
            fleet.scrapeInterval = interval
        }
        fleet.seed = options.seed
        classNames = try Self.objectives(options, &admission, &fleet)
        var plan: FleetPlan
        var notes = model.notes
        if let path = options.trace {
            plan = try Self.replay(path, model, options, admission, classNames, fleet, &notes)
        } else {
            plan = try Self.drawn(model, options, admission, classNames, fleet)
        }
        let client = try options.client()
        for index in plan.fleet.streams.indices { plan.fleet.streams[index].client = client }
        plan.misfortunes = try Self.misfortunes(options, replicas: count)
        self.plan = plan
        self.notes = notes
    }

    /// A recording is what counts, from its beginning to its end.
    private static func replay(
        _ path: String, _ model: PlannedModel, _ options: PlanOptions, _ admission: Configured?,
        _ classNames: [String], _ fleet: FleetConfiguration, _ notes: inout [String]
    ) throws -> FleetPlan {
        var fleet = fleet
        let text = String(
            decoding: try PlanOptions.bytes(of: path, flag: "--trace"), as: UTF8.self)
        let trace: ArrivalTrace
        do throws(ArrivalTraceError) {
            trace = try ArrivalTrace(text: text)
            fleet.streams = try trace.streams(
                outputs: model.outputs, tenants: max(1, admission?.policy.tenants.count ?? 1)
            ) { name in
                // Without a configuration there is one class, whatever they were called.
                admission == nil ? 0 : classNames.firstIndex(of: name)
            }
        } catch {
            throw ValidationError("--trace \(path): \(error).")
        }
        fleet.warmUp = .zero
        fleet.measured = try options.measured() ?? ArrivalTrace.spanMax
        notes.append(
            "recording: \(trace.arrivals.count) requests, \(PlanText.short(trace.perSecond)) a second for \(PlanText.short(trace.span.seconds)) s"
                + (trace.isCut ? ", cut at the gateway's bound" : "")
                + (trace.skipped > 0 ? ", \(trace.skipped) lines that meet no replica" : ""))
        let all = Double(trace.arrivals.count)
        var plan = FleetPlan(
            fleet: fleet, shares: fleet.streams.map { Double($0.recorded.count) / all })
        plan.recording = Recording(perSecond: trace.perSecond, span: trace.span)
        return plan
    }

    private static func drawn(
        _ model: PlannedModel, _ options: PlanOptions, _ admission: Configured?,
        _ classNames: [String], _ fleet: FleetConfiguration
    ) throws -> FleetPlan {
        var fleet = fleet
        fleet.warmUp = try options.warmUpSpan()
        fleet.measured = try options.measured() ?? Study.measured
        let classMix = try classMix(options, classNames, admission?.defaultClass ?? 0)
        let tenantMix = try tenantMix(options, admission?.policy.tenants.map(\.name))
        if admission == nil {
            fleet.tenantWeights = Array(repeating: 1, count: tenantMix.count)
        }
        var shares: [Double] = []
        for (classIndex, classShare) in classMix {
            for (tenant, tenantShare) in tenantMix {
                var stream = RequestStream(.closed(clients: 0))
                stream.classIndex = classIndex
                stream.tenant = tenant
                stream.prompts = model.prompts
                stream.outputs = model.outputs
                fleet.streams.append(stream)
                shares.append(classShare * tenantShare)
            }
        }
        var plan = FleetPlan(fleet: fleet, shares: shares)
        plan.hasBursts = options.bursts
        return plan
    }

    /// The pool of a configuration.
    private struct Configured {
        var pool: PoolSettings
        var policy: AdmissionPolicy
        var defaultClass: Int
    }

    private static func admission(_ options: PlanOptions) throws -> Configured? {
        guard let path = options.config else { return nil }
        var flags = ServeFlags()
        flags.config = path
        let settings = try loadConfiguration(flags).settings
        let pool = settings.pools.first { options.pool == nil || $0.name == options.pool }
        guard let pool else {
            let names = settings.pools.map(\.name).joined(separator: ", ")
            throw ValidationError("--pool: the configuration has no such pool, but \(names).")
        }
        return Configured(
            pool: pool, policy: settings.admissionPolicy(for: pool),
            defaultClass: settings.defaultClassIndex)
    }

    /// Sets objectives, weights and what the gateways admit by; gives the names of the classes.
    private static func objectives(
        _ options: PlanOptions, _ configured: inout Configured?, _ fleet: inout FleetConfiguration
    ) throws -> [String] {
        let firstToken = try options.firstTokenObjective()
        let hasGap = options.tpotSlo != "off"
        let gap = try options.tokenGapObjective()
        guard var policy = configured?.policy else {
            fleet.objectives = [
                ClassObjective(
                    firstToken: firstToken ?? Study.firstTokenObjective,
                    tokenGap: hasGap ? gap ?? Study.tokenGapObjective : nil)
            ]
            if let mix = options.classMix {
                return try usualClasses(options, mix, &fleet)
            }
            return ["standard"]
        }
        let own = configured?.defaultClass ?? 0
        if let firstToken { policy.classes[own].timeToFirstToken = firstToken }
        for index in policy.classes.indices where options.tpotSlo != nil {
            policy.classes[index].timePerToken = gap
        }
        configured?.policy = policy
        fleet.admission = ConfiguredAdmission(
            policy: policy, limits: configured?.pool.admissionLimits ?? AdmissionLimits())
        fleet.tenantWeights = policy.tenants.map(\.weight)
        fleet.objectives = policy.classes.map { one in
            var objective = ClassObjective(
                firstToken: one.timeToFirstToken, tokenGap: one.timePerToken,
                shareMin: one.minShare, shareMax: one.maxShare)
            objective.perThousandPromptTokens = one.perThousandPromptTokens
            return objective
        }
        return policy.classes.map(\.name)
    }

    /// Without a configuration a mix of classes is one of the usual three.
    private static func usualClasses(
        _ options: PlanOptions, _ mix: String, _ fleet: inout FleetConfiguration
    ) throws -> [String] {
        let gap = fleet.objectives[0].tokenGap
        fleet.objectives = ClassPolicy.usual.map {
            ClassObjective(
                firstToken: $0.timeToFirstToken, tokenGap: gap, shareMin: $0.minShare,
                shareMax: $0.maxShare)
        }
        if options.ttftSlo != nil {
            throw ValidationError(
                "--ttft-slo: with --class-mix the classes critical, standard and batch have 2s, 5s and 20s; other objectives come from a --config."
            )
        }
        return ClassPolicy.usual.map(\.name)
    }

    private static func classMix(
        _ options: PlanOptions, _ names: [String], _ usual: Int
    ) throws -> [(Int, Double)] {
        guard let text = options.classMix else { return [(usual, 1)] }
        let mix = try options.checked("--class-mix") { () throws(PlanTextError) in
            try PlanText.shares(text)
        }
        return try mix.map { name, share in
            guard let index = names.firstIndex(of: name) else {
                throw ValidationError(
                    "--class-mix: there is no class \(name), but \(names.joined(separator: ", ")).")
            }
            return (index, share)
        }
    }

    /// - Parameter names: the tenants of a configuration; nil: any name is one.
    private static func tenantMix(
        _ options: PlanOptions, _ names: [String]?
    ) throws -> [(Int, Double)] {
        guard let text = options.tenantMix else { return [(0, 1)] }
        let mix = try options.checked("--tenant-mix") { () throws(PlanTextError) in
            try PlanText.shares(text)
        }
        guard let names else { return mix.enumerated().map { ($0, $1.share) } }
        return try mix.map { name, share in
            guard let index = names.firstIndex(of: name) else {
                throw ValidationError(
                    "--tenant-mix: there is no tenant \(name), but \(names.prefix(16).joined(separator: ", "))."
                )
            }
            return (index, share)
        }
    }

    private static func misfortunes(
        _ options: PlanOptions, replicas: Int
    ) throws -> [Misfortune] {
        let misfortunes = try options.misfortunes()
        let lost = misfortunes.filter { $0.slowFactor == nil }.reduce(0) { $0 + $1.count }
        let slow = misfortunes.filter { $0.slowFactor != nil }.reduce(0) { $0 + $1.count }
        guard lost < replicas else {
            throw ValidationError(
                "--lose: \(lost) of \(replicas) replicas are too many: at most \(replicas - 1).")
        }
        guard slow + lost <= replicas else {
            throw ValidationError(
                "--slow: \(slow) of the \(replicas - lost) replicas that are left are too many.")
        }
        return misfortunes
    }
}
