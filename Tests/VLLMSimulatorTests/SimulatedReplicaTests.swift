import SluiceBytes
import SluiceTime
import Testing

@testable import VLLMSimulator

/// The seam of the socket server: a request from its bytes to its last event, without a socket.
@Suite struct SimulatedReplicaTests {
    static let start = Instant(nanoseconds: 1_000_000_000)

    static func replica(
        _ change: (inout SimulatedReplica.Configuration) -> Void = { _ in }
    ) -> SimulatedReplica {
        var configuration = SimulatedReplica.Configuration()
        configuration.models = ["tiny"]
        change(&configuration)
        return SimulatedReplica(configuration: configuration, startSeconds: 1.795227036e9)
    }

    static func request(
        _ replica: SimulatedReplica, _ options: String = ""
    ) throws -> SimulatedRequest {
        let body = Array(#"{"messages":[{"role":"user","content":"Say hello"}]\#(options)}"#.utf8)
        return try replica.parse(
            body.span, contentType: "application/json", route: .chatCompletions)
    }

    static func page(_ replica: inout SimulatedReplica) -> String {
        var buffer = ByteBuffer()
        replica.appendMetrics(to: &buffer)
        return buffer.text()
    }

    @Test func `a streamed chat runs from its body to DONE`() throws {
        var replica = Self.replica()
        let request = try Self.request(replica, #","stream":true,"max_tokens":12"#)
        var (ids, reply) = try replica.submit(
            request, requestID: nil, now: Self.start, unixSeconds: 1)
        #expect(ids.count == 1)
        var events: [String] = []
        var now: Instant? = Self.start
        while let instant = now {
            let step = replica.step(instant)
            for emission in step.emissions where emission.id == ids[0] {
                reply.take(tokens: emission.tokens, finish: emission.finish?.reason)
                events += SimulatedReplyTests.events(&reply)
            }
            now = step.next
        }
        #expect(events.count == 14)
        #expect(events.last == "data: [DONE]\n\n")
        #expect(replica.metrics.finishedCount(.length) == 1)
        #expect(replica.sequencesInside == 0)
        ids = []
    }

    @Test func `replicas of one seed answer alike, of another differently`() throws {
        func body(seed: UInt64) throws -> String {
            var replica = Self.replica { $0.seed = seed }
            let request = try Self.request(replica)
            var (ids, reply) = try replica.submit(
                request, requestID: "same", now: Self.start, unixSeconds: 1)
            var now: Instant? = Self.start
            while let instant = now {
                let step = replica.step(instant)
                for emission in step.emissions where ids.contains(emission.id) {
                    reply.take(tokens: emission.tokens, finish: emission.finish?.reason)
                }
                now = step.next
            }
            ids = []
            return SimulatedReplyTests.body(reply)
        }
        let (one, same, other) = (try body(seed: 1), try body(seed: 1), try body(seed: 2))
        #expect(one == same)
        #expect(one != other)
    }

    @Test func `choices are sequences of their own, and an abort takes each`() throws {
        var replica = Self.replica()
        let request = try Self.request(replica, #","n":3,"max_tokens":50"#)
        let (ids, _) = try replica.submit(
            request, requestID: nil, now: Self.start, unixSeconds: 1)
        #expect(ids.count == 3)
        #expect(replica.sequencesInside == 3)
        for id in ids { replica.abort(id) }
        #expect(replica.sequencesInside == 0)
        #expect(replica.metrics.queueTimeCount == 0)
    }

    @Test func `a replica with a bound refuses the next request with 503`() throws {
        var replica = Self.replica { $0.engine.requestsMax = 1 }
        let request = try Self.request(replica)
        _ = try replica.submit(request, requestID: nil, now: Self.start, unixSeconds: 1)
        #expect(throws: VLLMError.queueFull(bound: 1)) {
            try replica.submit(request, requestID: nil, now: Self.start, unixSeconds: 1)
        }
    }

    @Test func `a dead engine refuses, is unhealthy, and says once that it died`() throws {
        var replica = Self.replica()
        var plan = FaultPlan()
        plan.isDead = true
        let died = [
            replica.setFaults(plan, now: Self.start), replica.setFaults(plan, now: Self.start),
        ]
        #expect(died == [true, false])
        #expect(!replica.isHealthy)
        let request = try Self.request(replica)
        #expect(throws: VLLMError.engineDied) {
            try replica.submit(request, requestID: nil, now: Self.start, unixSeconds: 1)
        }
        replica.setFaults(FaultPlan(), now: Self.start)
        #expect(replica.isHealthy)
        _ = try replica.submit(request, requestID: nil, now: Self.start, unixSeconds: 1)
    }

    @Test func `a frozen engine stays healthy and gives nothing until it thaws`() throws {
        var replica = Self.replica()
        let request = try Self.request(replica, #","max_tokens":1"#)
        var plan = FaultPlan()
        plan.freezesEngine = true
        replica.setFaults(plan, now: Self.start)
        _ = try replica.submit(request, requestID: nil, now: Self.start, unixSeconds: 1)
        let silent = replica.step(Self.start + .seconds(1))
        #expect(silent.next == nil && silent.emissions.isEmpty)
        #expect(replica.isHealthy)
        replica.setFaults(FaultPlan(), now: Self.start + .seconds(1))
        let step = replica.step(Self.start + .seconds(1))
        #expect(step.next != nil)
    }

    @Test func `a slow engine takes its time`() throws {
        func firstStep(slow: Double) throws -> Nanoseconds {
            var replica = Self.replica()
            var plan = FaultPlan()
            plan.slowFactor = slow
            replica.setFaults(plan, now: Self.start)
            let request = try Self.request(replica)
            _ = try replica.submit(request, requestID: nil, now: Self.start, unixSeconds: 1)
            let step = replica.step(Self.start)
            return (step.next ?? Self.start) - Self.start
        }
        let (healthy, slow) = (try firstStep(slow: 1), try firstStep(slow: 10))
        #expect(abs((slow - healthy * 10).count) < 100)
    }

    @Test func `metrics can be frozen, garbage or huge, and come back`() throws {
        var replica = Self.replica()
        let before = Self.page(&replica)
        var plan = FaultPlan()
        plan.metrics = .frozen
        replica.setFaults(plan, now: Self.start)
        let request = try Self.request(replica, #","max_tokens":1"#)
        _ = try replica.submit(request, requestID: nil, now: Self.start, unixSeconds: 1)
        let step = replica.step(Self.start)
        _ = replica.step(step.next ?? Self.start)
        #expect(Self.page(&replica) == before)
        plan.metrics = .garbage
        replica.setFaults(plan, now: Self.start)
        #expect(Self.page(&replica) == "\(FaultPlan.garbage)")
        plan.metrics = .huge
        plan.metricsBytes = 200_000
        replica.setFaults(plan, now: Self.start)
        let huge = Self.page(&replica)
        #expect((200_000..<200_100).contains(huge.utf8.count))
        replica.setFaults(FaultPlan(), now: Self.start)
        let after = Self.page(&replica)
        #expect(after != before)
        #expect(SimulatedMetricsTests.shape(after) == SimulatedMetricsTests.shape(before))
    }

    @Test func `an API key opens the routes to its bearer only`() {
        let open = Self.replica()
        #expect(open.isAuthorized(nil))
        let closed = Self.replica { $0.apiKey = "secret" }
        #expect(!closed.isAuthorized(nil))
        #expect(!closed.isAuthorized("Bearer wrong"))
        #expect(closed.isAuthorized("Bearer secret"))
    }

    @Test(arguments: [
        ("GET", "/health", SimulatedEndpoint.health), ("POST", "/ping", .health),
        ("GET", "/v1/models", .models), ("GET", "/version", .version), ("GET", "/load", .load),
        ("GET", "/metrics", .metrics), ("DELETE", "/sim/faults", .faults),
        ("POST", "/v1/chat/completions", .engine(.chatCompletions)),
        ("POST", "/v1/completions", .engine(.completions)),
        ("POST", "/v1/responses", .engine(.responses)),
        ("POST", "/v1/embeddings", .engine(.embeddings)),
    ])
    func `every path of the server is found`(
        method: String, path: String, endpoint: SimulatedEndpoint
    ) throws {
        let found = try SimulatedEndpoint.find(method: method, path: path)
        #expect(found == endpoint)
    }

    @Test func `a wrong path is 404, a wrong method 405 with what is allowed`() {
        #expect(throws: VLLMError.pathNotFound) {
            try SimulatedEndpoint.find(method: "GET", path: "/nope")
        }
        #expect(throws: VLLMError.methodNotAllowed(allow: "POST")) {
            try SimulatedEndpoint.find(method: "GET", path: "/v1/chat/completions")
        }
        #expect(throws: VLLMError.methodNotAllowed(allow: "GET")) {
            try SimulatedEndpoint.find(method: "POST", path: "/v1/models")
        }
    }
}
