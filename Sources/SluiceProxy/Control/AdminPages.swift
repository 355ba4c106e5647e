import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

// Control thread only.

/// What the admin and the status listener answer.
final class AdminPages {
    weak var control: ControlLoop?
    /// What `/config` shows: the settings in force.
    var configuration: String
    /// A POST must carry this field: no web page of another site can send it without asking first.
    static let postField = "x-sluice-admin"

    init(configuration: String) { self.configuration = configuration }

    /// The status listener: read-only, for kubelet and Prometheus.
    func answerStatus(_ request: ServerRequest, _ responder: Responder) {
        guard request.method == .get || request.method == .head else {
            return refuse(responder, allow: "GET, HEAD")
        }
        if answerCommon(request, responder, isAdmin: false) { return }
        responder.respond(
            404, text: "no such page; there are:\n" + OverviewPage.text(isAdmin: false))
    }

    /// The admin listener.
    func answerAdmin(_ request: ServerRequest, _ responder: Responder) {
        guard let control else { return responder.respond(503, text: "stopping\n") }
        switch request.method {
        case .get, .head:
            if answerCommon(request, responder, isAdmin: true) { return }
            switch request.path {
            case "/replicas":
                responder.respond(
                    200, contentType: "application/json",
                    body: Array(ReplicasPage.render(control).utf8))
            case "/slo":
                responder.respond(
                    200, contentType: "application/json",
                    body: Array(ObjectivesPage.render(control).utf8))
            case "/diagnosis": answerDiagnosis(request, responder, control)
            case "/config":
                responder.respond(200, text: configuration, contentType: "application/json")
            case "/queue", "/decisions", "/route", "/admission":
                answerAdmission(request, responder, control)
            case "/dashboard", "/dashboard/events", "/dashboard/dashboard.css",
                "/dashboard/dashboard.js":
                control.dashboard.answer(request, responder)
            default:
                if let name = ReplicaMetricsPage.name(in: request.path) {
                    return ReplicaMetricsPage.answer(
                        PercentText.decoded(name),
                        prefix: request.parameter("prefix").map { PercentText.decoded($0[...]) },
                        responder, control)
                }
                if Action(request.path) != nil { return refuse(responder, allow: "POST") }
                responder.respond(
                    404, text: "no such page; there are:\n" + OverviewPage.text(isAdmin: true))
            }
        case .post:
            guard request[field: Self.postField] != nil else {
                responder.respond(403, text: "a POST needs the field \(Self.postField): 1\n")
                return
            }
            answerPost(request, responder, control)
        case .put, .delete, .patch, .options, .connect, .trace, .other:
            refuse(responder, allow: "GET, HEAD, POST")
        }
    }

    private func answerDiagnosis(
        _ request: ServerRequest, _ responder: Responder, _ control: ControlLoop
    ) {
        var span: Nanoseconds?
        if let text = request.parameter("against") {
            span = DiagnosisPage.span(text)
            guard span != nil else {
                return responder.respond(
                    400, text: "against is a span from 1m to 8d, such as 30m, 1h or 1d\n")
            }
        }
        responder.respond(
            200, contentType: "application/json",
            body: Array(DiagnosisPage.render(control, against: span).utf8))
    }

    /// Another method than the page has.
    private func refuse(_ responder: Responder, allow: String) {
        responder.respond(
            405, [("allow", allow)], contentType: "text/plain", body: Array("\(allow) only\n".utf8))
    }

    private func answerCommon(
        _ request: ServerRequest, _ responder: Responder, isAdmin: Bool
    ) -> Bool {
        guard let control else { return false }
        switch request.path {
        case "/":
            if request[field: "accept"]?.contains("text/html") ?? false {
                responder.respond(
                    200, OverviewPage.fields, contentType: "text/html; charset=utf-8",
                    body: Array(OverviewPage.html(control, isAdmin: isAdmin).utf8))
            } else {
                responder.respond(200, text: OverviewPage.text(isAdmin: isAdmin))
            }
        case "/livez":
            let stuck = control.shared.mailboxes.indices.filter {
                control.shared.heartbeats[$0].isStuck(now: control.loop.now)
            }
            responder.respond(
                stuck.isEmpty ? 200 : 500, text: stuck.isEmpty ? "ok\n" : "stuck: \(stuck)\n")
        case "/readyz":
            responder.respond(
                control.shared.isReady() ? 200 : 503, contentType: "application/json",
                body: Array(ReplicasPage.readiness(control).utf8))
        case "/metrics":
            let format = ExpositionFormat(accept: request[field: "accept"] ?? "")
            responder.respond(
                200, contentType: format.contentType.description,
                body: MetricsPage.render(control, format))
        default: return false
        }
        return true
    }

    private func answerPost(
        _ request: ServerRequest, _ responder: Responder, _ control: ControlLoop
    ) {
        switch Action(request.path) {
        case nil:
            responder.respond(
                404, text: "no such action; there are:\n" + OverviewPage.text(isAdmin: true))
        case .drain:
            responder.respond(202, text: "draining\n")
            if !control.isDraining { control.drain() }
        case .admission: orderMode(request, responder, control)
        case .cordon(let name): order(.cordon, name, "cordoned", responder, control)
        case .uncordon(let name): order(.uncordon, name, "uncordoned", responder, control)
        case .reload:
            switch control.reload() {
            case .success(let line): responder.respond(200, text: "\(line)\n")
            case .failure(let failure): responder.respond(409, text: "\(failure)\n")
            }
        }
    }

    private func order(
        _ event: ReplicaEvent, _ name: String, _ done: String, _ responder: Responder,
        _ control: ControlLoop
    ) {
        let agents = control.registry.agents.filter { $0.name == name }
        guard !agents.isEmpty else {
            let names = control.registry.agents.map(\.name).joined(separator: ", ")
            return responder.respond(
                404, text: "no replica is called '\(name)'; there are: \(names)\n")
        }
        for agent in agents {
            let pool = control.shared.pools[agent.pool]
            control.shared.wake(
                pool.observe(agent.id, event, now: control.loop.now), except: nil)
        }
        responder.respond(200, text: "\(name): \(done)\n")
    }

    /// What a POST asks for.
    private enum Action {
        case drain, reload, admission, cordon(String), uncordon(String)

        init?(_ path: String) {
            if path == "/drain" || path == "/reload" {
                self = path == "/drain" ? .drain : .reload
                return
            }
            if path == "/admission" {
                self = .admission
                return
            }
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 4, parts[0].isEmpty, parts[1] == "replicas" else { return nil }
            let name = PercentText.decoded(parts[2])
            switch parts[3] {
            case "cordon": self = .cordon(name)
            case "uncordon": self = .uncordon(name)
            default: return nil
            }
        }
    }
}
