import SluiceBytes
import SluiceEndpoint
import SluiceTelemetry
import SluiceTraffic

// Control thread only.

extension AdminPages {
    /// A question that cannot be answered: what is wrong with it.
    private struct BadQuestion: Error {
        var status = 400
        var text: String
    }

    /// The pages about admission.
    func answerAdmission(
        _ request: ServerRequest, _ responder: Responder, _ control: ControlLoop
    ) {
        let page: String
        do throws(BadQuestion) {
            switch request.path {
            case "/queue": page = AdmissionPages.queue(control)
            case "/decisions":
                page = AdmissionPages.decisions(
                    try pool(request, control),
                    newest: try number(
                        "n", request, max: 256, otherwise: AdmissionPages.decisionsDefault),
                    request: request.parameter("request").map { PercentText.decoded($0[...]) },
                    control)
            case "/route": page = try route(request, control)
            default: page = AdmissionPages.modes(control)
            }
        } catch {
            return responder.respond(error.status, text: error.text + "\n")
        }
        responder.respond(200, contentType: "application/json", body: Array(page.utf8))
    }

    /// `POST /admission?pool=P&mode=M`: in force before it is answered, and until the next order,
    /// whatever a reload brings.
    func orderMode(_ request: ServerRequest, _ responder: Responder, _ control: ControlLoop) {
        do throws(BadQuestion) {
            let traffic = try pool(request, control)
            let modes = AdmissionPolicy.Mode.allCases.map(\.rawValue).joined(separator: ", ")
            let text = request.parameter("mode") ?? ""
            guard let mode = AdmissionPolicy.Mode(rawValue: text) else {
                throw BadQuestion(text: "mode is one of \(modes), not '\(text)'")
            }
            control.shared.wake(traffic.order(mode: mode, now: control.loop.now), except: nil)
            let configured =
                traffic.snapshot(now: control.loop.now).admission.configuredMode.rawValue
            var line = "\(traffic.name): admission is \(mode.rawValue)"
            if configured != mode.rawValue {
                line += " until changed back; configured: \(configured)"
            }
            control.shared.logger.notice("by an operator's order, pool \(line)")
            if !AdmissionPages.hasObjective(control) {
                line += "; no class has an objective, so there are no verdicts"
            }
            responder.respond(200, text: line + "\n")
        } catch {
            responder.respond(error.status, text: error.text + "\n")
        }
    }

    /// The pool of `?pool=`, or the only one.
    private func pool(
        _ request: ServerRequest, _ control: ControlLoop
    ) throws(BadQuestion) -> ReplicaPool {
        let pools = control.shared.pools
        let names = pools.map(\.name).joined(separator: ", ")
        guard let name = request.parameter("pool").map({ PercentText.decoded($0[...]) }) else {
            if pools.count == 1 { return pools[0] }
            throw BadQuestion(text: "which pool? ?pool= is one of: \(names)")
        }
        guard let pool = pools.first(where: { $0.name == name }) else {
            throw BadQuestion(status: 404, text: "no pool is called '\(name)'; there are: \(names)")
        }
        return pool
    }

    /// The pool of `?pool=`, which has to be one that serves the model; else the one that a request for
    /// it would come to.
    private func pool(
        _ request: ServerRequest, _ control: ControlLoop, of only: Int, _ split: ModelSplit?
    ) throws(BadQuestion) -> ReplicaPool {
        let pools = control.shared.pools
        guard request.parameter("pool") != nil else {
            let chosen = split?.pool(of: .random(in: 0 ... .max)) { pools[$0].hasReplica }
            return pools[chosen ?? only]
        }
        let asked = try pool(request, control)
        let serving = (split?.pools ?? [only]).map { pools[$0] }
        guard serving.contains(where: { $0 === asked }) else {
            let names = serving.map(\.name).joined(separator: ", ")
            throw BadQuestion(
                status: 404,
                text: "pool '\(asked.name)' does not serve this model; that is: \(names)")
        }
        return asked
    }

    private func number(
        _ name: String, _ request: ServerRequest, max: Int, otherwise: Int
    ) throws(BadQuestion) -> Int {
        guard let text = request.parameter(name) else { return otherwise }
        guard let value = Int(text), value >= 0, value <= max else {
            throw BadQuestion(text: "\(name) is a whole number from 0 to \(max), not '\(text)'")
        }
        return value
    }

    /// Prompt and output tokens that may be asked about.
    private static let tokensMax = 100_000_000

    private func route(
        _ request: ServerRequest, _ control: ControlLoop
    ) throws(BadQuestion) -> String {
        var directory = control.shared.currentDirectory()
        var arrival = Arrival()
        var place: (pool: Int, label: UInt16, adapter: UInt16, split: UInt16)?
        if let name = request.parameter("model").map({ PercentText.decoded($0[...]) }) {
            place = directory.model(Array(name.utf8).span)
            guard place != nil else {
                let known = directory.modelNames.joined(separator: ", ")
                throw BadQuestion(
                    status: 404, text: "no model is called '\(name)'; there are: \(known)")
            }
        }
        arrival.modelIndex = Int(place?.label ?? ModelTable.other)
        arrival.adapter = place?.adapter ?? 0
        let traffic: ReplicaPool
        if let place {
            let split = place.split == 0 ? nil : directory.split(place.split)
            traffic = try pool(request, control, of: place.pool, split)
        } else {
            traffic = try pool(request, control)
        }
        arrival.promptTokens = try number(
            "prompt_tokens", request, max: Self.tokensMax, otherwise: 0)
        arrival.outputTokensMax = try number(
            "max_tokens", request, max: Self.tokensMax, otherwise: 0)
        arrival.classIndex = Int(directory.callers.defaultClass)
        if let name = request.parameter("class").map({ PercentText.decoded($0[...]) }) {
            guard let index = directory.callers.priorityClass(Array(name.utf8).span) else {
                let known = directory.callers.classNames.joined(separator: ", ")
                throw BadQuestion(
                    status: 404, text: "no class is called '\(name)'; there are: \(known)")
            }
            arrival.classIndex = Int(index)
        }
        if let name = request.parameter("tenant").map({ PercentText.decoded($0[...]) }) {
            let tenants = control.registry.tenants
            arrival.tenantIndex = tenants.index(of: name)
            guard tenants.policies[arrival.tenantIndex].name == name else {
                // Numbers of tenants that are gone have no name.
                let known = tenants.policies.map(\.name).filter { !$0.isEmpty }
                    .joined(separator: ", ")
                throw BadQuestion(
                    status: 404, text: "no tenant is called '\(name)'; there are: \(known)")
            }
        }
        return AdmissionPages.route(arrival, traffic, control)
    }
}
