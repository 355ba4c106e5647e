import Foundation
import SluiceTime
import Testing

@testable import SluiceBench

@Suite struct LoadReportTests {
    private func answer(first: Int64, each: Int64, tokens: Int = 10) -> FinishedRequest {
        var request = FinishedRequest()
        request.timeToFirstToken = .milliseconds(first)
        request.timePerToken = .milliseconds(each)
        request.total = .milliseconds(first + each * Int64(tokens - 1))
        request.outputTokens = tokens
        return request
    }

    private func failed(_ failure: LoadFailure) -> FinishedRequest {
        var request = FinishedRequest()
        request.outcome = .failed(failure)
        return request
    }

    @Test func `only whole answers within every objective are good`() {
        let objective = LoadObjective(
            timeToFirstToken: .milliseconds(500), timePerToken: .milliseconds(60))
        var report = LoadReport()
        report.take(answer(first: 500, each: 60), objective: objective)
        report.take(answer(first: 501, each: 1), objective: objective)
        report.take(answer(first: 1, each: 61), objective: objective)
        report.take(failed(.timeout), objective: objective)
        #expect(report.good == 1)
        #expect(report.succeeded == 3)
        #expect(report.failed == 1)
    }

    @Test func `without streams the objective for the first token is for the whole answer`() {
        let objective = LoadObjective(timeToFirstToken: .milliseconds(100))
        var request = FinishedRequest()
        request.total = .milliseconds(101)
        #expect(!objective.holds(request))
        request.total = .milliseconds(100)
        #expect(objective.holds(request))
    }

    @Test func `how long refusals take is told, apart from answers`() throws {
        var report = LoadReport()
        var request = failed(.status(429, reason: "overload"))
        request.timeToRefusal = .milliseconds(4)
        report.take(request, objective: LoadObjective())
        report.take(failed(.closed), objective: LoadObjective())
        report.take(answer(first: 100, each: 1), objective: LoadObjective())
        #expect(report.refusal.count == 1 && report.refusal.max == .milliseconds(4))
        #expect(report.total.count == 1)
        let text = report.json(plan: LoadPlan(), url: "http://h:1")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect((object["refusal_seconds"] as? [String: Any])?["p99"] as? Double == 0.004)
        #expect(report.table(plan: LoadPlan(), url: "http://h:1").contains("  refusal "))
    }

    @Test func `reasons that a peer makes up are bounded`() {
        var report = LoadReport()
        for n in 0..<1_000 {
            report.take(failed(.status(503, reason: "r\(n)")), objective: LoadObjective())
        }
        #expect(report.failures.count == LoadReport.reasonsMax + 1)
        #expect(report.failures["other"] == 1_000 - LoadReport.reasonsMax)
    }

    @Test func `the JSON is JSON whatever a model is called, and empty figures are null`() throws {
        var plan = LoadPlan()
        plan.model = "é\"\\\n\u{1}"
        var report = LoadReport()
        report.take(failed(.status(503, reason: "\"")), objective: plan.objective)
        let text = report.json(plan: plan, url: "http://h:1")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let first = try #require(object["ttft_seconds"] as? [String: Any])
        #expect(first["p50"] is NSNull)
        #expect((object["plan"] as? [String: Any])?["model"] as? String == plan.model)
    }

    @Test func `figures have three digits or so and a unit`() {
        #expect(Figure.span(.microseconds(850)) == "850 µs")
        #expect(Figure.span(.microseconds(12_340)) == "12.3 ms")
        #expect(Figure.span(.milliseconds(456)) == "456 ms")
        #expect(Figure.span(.milliseconds(4_560)) == "4.56 s")
        #expect(Figure.span(nil) == "–")
        #expect(Figure.fixed(0.05, 1) == "0.1")
        #expect(Figure.fixed(-1.005, 2) == "-1.00" || Figure.fixed(-1.005, 2) == "-1.01")
        #expect(Figure.fixed(.infinity, 1) == "–")
        #expect(Figure.plain(12.34) == "12.3")
    }
}
