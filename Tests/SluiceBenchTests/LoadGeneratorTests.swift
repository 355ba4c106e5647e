import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Testing
import VLLMSimulator

@testable import SluiceBench

/// Against a simulated replica over real sockets; every loop ends by the plan's own bounds.
@Suite struct LoadGeneratorTests {
    private func replica() throws -> SimulatorThread {
        var configuration = SimulatedReplica.Configuration()
        configuration.models = ["m"]
        configuration.engine.speed = 50
        let any = try #require(SocketAddress("127.0.0.1:0"))
        return try SimulatorThread(configuration, listen: any)
    }

    private func run(_ plan: LoadPlan, at url: String) throws -> LoadReport {
        let loop = try EndpointLoop()
        let generator = LoadGenerator(plan: plan, target: try LoadTarget(url: url), on: loop)
        var seen = 0
        generator.onFinished = { _ in seen += 1 }
        generator.begin()
        while !generator.isOver { loop.turn(maxWait: .milliseconds(50)) }
        let report = generator.currentReport()
        #expect(seen == report.finished)
        #expect(report.inFlight == 0)
        let left = loop.inUse
        #expect(left.watches == 0)
        #expect(left.buffers == 0)
        return report
    }

    private func plan() -> LoadPlan {
        var plan = LoadPlan()
        plan.model = "m"
        plan.requestsMax = 20
        plan.duration = .seconds(20)
        plan.graceMax = .seconds(5)
        plan.promptTokens = .fixed(20)
        plan.outputTokens = .fixed(12)
        return plan
    }

    @Test func `a closed loop asks as often as planned and counts every token`() throws {
        let replica = try replica()
        defer { replica.stop() }
        var plan = plan()
        plan.arrivals = .closed(concurrency: 4)
        plan.objective = LoadObjective(timeToFirstToken: .seconds(10), timePerToken: .seconds(10))
        let report = try run(plan, at: "http://\(replica.address)")
        #expect(report.begun == 20)
        #expect(report.succeeded == 20)
        #expect(report.good == 20)
        #expect(report.timeToFirstToken.count == 20)
        #expect(report.total.count == 20)
        #expect(report.outputTokens > 20 && report.outputTokens <= 240)
        #expect(report.gaps.count > 0)
        #expect(report.promptTokens >= 20 * 20)
    }

    @Test func `what the first failed request was told is kept`() throws {
        let replica = try replica()
        defer { replica.stop() }
        var plan = plan()
        plan.model = "another"
        let report = try run(plan, at: "http://\(replica.address)")
        #expect(report.failures == ["HTTP 404": 20])
        let message = try #require(report.firstMessage)
        #expect(message.contains("another"), "\(message)")
        #expect(message.utf8.count <= LoadExchange.refusalBytesMax + 4)
        #expect(report.table(plan: plan, url: "u").contains("the first: \(message)"))
    }

    @Test func `an open loop sends at its rate`() throws {
        let replica = try replica()
        defer { replica.stop() }
        var plan = plan()
        plan.arrivals = .open(ratePerSecond: 200)
        let report = try run(plan, at: "http://\(replica.address)")
        #expect(report.succeeded == 20)
    }

    @Test func `answers that are not streamed are measured as a whole`() throws {
        let replica = try replica()
        defer { replica.stop() }
        var plan = plan()
        plan.streams = false
        let report = try run(plan, at: "http://\(replica.address)/v1")
        #expect(report.succeeded == 20)
        #expect(report.timeToFirstToken.count == 0)
        #expect(report.outputTokens > 0)
    }

    @Test func `clients that leave are counted as planned, not as failed`() throws {
        let replica = try replica()
        defer { replica.stop() }
        var plan = plan()
        plan.abortRatio = 1
        plan.outputTokens = .fixed(40)
        let report = try run(plan, at: "http://\(replica.address)")
        #expect(report.failed == 0)
        #expect(report.aborted == 20)
    }

    @Test func `a wrong model is a failure with its status`() throws {
        let replica = try replica()
        defer { replica.stop() }
        var plan = plan()
        plan.model = "another"
        plan.requestsMax = 3
        let report = try run(plan, at: "http://\(replica.address)")
        #expect(report.failures == ["HTTP 404": 3])
        #expect(report.refusal.count == 3 && report.refusal.max < .seconds(5))
    }

    @Test func `where nobody listens each request is refused and the test ends`() throws {
        let replica = try replica()
        let url = "http://\(replica.address)"
        replica.stop()
        var plan = plan()
        plan.requestsMax = 3
        let report = try run(plan, at: url)
        #expect(report.failures == ["connection refused": 3])
    }

    @Test func `time bounds the test and cuts what does not end`() throws {
        let replica = try replica()
        defer { replica.stop() }
        var plan = plan()
        plan.requestsMax = nil
        plan.outputTokens = .fixed(100_000)
        plan.promptTokens = .fixed(10)
        plan.arrivals = .closed(concurrency: 2)
        plan.duration = .milliseconds(100)
        plan.graceMax = .milliseconds(1)
        let report = try run(plan, at: "http://\(replica.address)")
        #expect(report.begun == report.finished)
        #expect(report.elapsed < .seconds(5))
    }
}
