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
    /// A worker that has not turned its loop for so long is stuck.
    static let turnAgeMax = Nanoseconds.seconds(10)

    init(configuration: String) { self.configuration = configuration }

    /// The status listener: read-only, for kubelet and Prometheus.
    func answerStatus(_ request: ServerRequest, _ responder: Responder) {
        guard request.method == .get || request.method == .head else {
            responder.respond(405, text: "GET only\n")
            return
        }
        if !answerCommon(request, responder) {
            responder.respond(404, text: "pages: /livez /readyz /metrics\n")
        }
    }

    /// The admin listener.
    func answerAdmin(_ request: ServerRequest, _ responder: Responder) {
        guard let control else { return responder.respond(503, text: "stopping\n") }
        switch request.method {
        case .get, .head:
            if answerCommon(request, responder) { return }
            switch request.path {
            case "/replicas":
                responder.respond(
                    200, contentType: "application/json",
                    body: Array(ReplicasPage.render(control).utf8))
            case "/config": responder.respond(200, text: configuration, contentType: "text/yaml")
            default:
                responder.respond(
                    404,
                    text: "pages: /livez /readyz /metrics /replicas /config; "
                        + "POST /drain, /reload, /replicas/NAME/cordon, /replicas/NAME/uncordon "
                        + "with the field \(Self.postField): 1\n")
            }
        case .post:
            guard request[field: Self.postField] != nil else {
                responder.respond(403, text: "a POST needs the field \(Self.postField): 1\n")
                return
            }
            answerPost(request, responder, control)
        case .put, .delete, .patch, .options, .connect, .trace, .other:
            responder.respond(405, text: "GET and POST only\n")
        }
    }

    private func answerCommon(_ request: ServerRequest, _ responder: Responder) -> Bool {
        guard let control else { return false }
        switch request.path {
        case "/livez":
            let stuck = control.shared.mailboxes.indices.filter {
                control.loop.now - control.shared.heartbeats.lastTurn(of: $0) > Self.turnAgeMax
                    && control.shared.heartbeats.isWorking($0)
            }
            responder.respond(
                stuck.isEmpty ? 200 : 500, text: stuck.isEmpty ? "ok\n" : "stuck: \(stuck)\n")
        case "/readyz":
            responder.respond(
                control.shared.isReady() ? 200 : 503, contentType: "application/json",
                body: Array(ReplicasPage.readiness(control).utf8))
        case "/metrics":
            let accept = Array((request[field: "accept"] ?? "").utf8)
            let format = ExpositionFormat(accept: accept.span)
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
        if request.path == "/drain" {
            responder.respond(202, text: "draining\n")
            if !control.isDraining { control.drain() }
            return
        }
        if request.path == "/reload" {
            switch control.reload() {
            case .success(let line): responder.respond(200, text: "\(line)\n")
            case .failure(let failure): responder.respond(409, text: "\(failure)\n")
            }
            return
        }
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count == 3, parts[0] == "replicas",
            parts[2] == "cordon" || parts[2] == "uncordon"
        else { return responder.respond(404, text: "no such action\n") }
        let event: ReplicaEvent = parts[2] == "cordon" ? .cordon : .uncordon
        let agents = control.registry.agents.filter { $0.name == parts[1] }
        guard !agents.isEmpty else {
            let names = control.registry.agents.map(\.name).joined(separator: ", ")
            return responder.respond(
                404, text: "no replica is called '\(parts[1])'; there are: \(names)\n")
        }
        for agent in agents {
            let pool = control.shared.pools[agent.pool]
            control.shared.wake(
                pool.observe(agent.id, event, now: control.loop.now), except: nil)
        }
        responder.respond(200, text: "\(parts[1]): \(parts[2])ed\n")
    }
}
