import SluiceBytes
import SluiceTime
import Testing

@testable import VLLMSimulator

/// The fault knobs: set by JSON, shown as JSON, asked once per request.
@Suite struct FaultPlanTests {
    static func apply(
        _ json: String, to plan: FaultPlan = FaultPlan()
    ) throws(FaultPlanError) -> FaultPlan {
        let bytes = Array(json.utf8)
        return try plan.applying(json: bytes.span)
    }

    static func text(_ plan: FaultPlan) -> String {
        var buffer = ByteBuffer()
        plan.append(to: &buffer)
        return buffer.text()
    }

    static let everything =
        #"{"hang":true,"hang_after_events":3,"reset":true,"reset_after_events":4,"garbage":true,"head_bytes":70000,"queue_full":true,"requests":9,"slow":2.5,"freeze":true,"die":true,"keep_alive_ms":0,"models_delay_ms":100,"metrics":"huge","metrics_delay_ms":7,"metrics_bytes":4096}"#

    @Test func `every knob can be set, and the page shows what was set`() throws {
        let plan = try Self.apply(Self.everything)
        #expect(Self.text(plan) == Self.everything)
        let again = try Self.apply(Self.text(plan))
        #expect(again == plan)
    }

    @Test func `the page of a healthy replica can be read back`() throws {
        let plan = try Self.apply(Self.text(FaultPlan()), to: try Self.apply(Self.everything))
        #expect(plan == FaultPlan())
    }

    @Test func `absent knobs stay, null turns one back, reset_all turns all back`() throws {
        var plan = try Self.apply(#"{"hang":true,"slow":3}"#)
        plan = try Self.apply(#"{"reset_after_events":2}"#, to: plan)
        #expect(plan.hangs && plan.slowFactor == 3 && plan.resetAfterEvents == 2)
        plan = try Self.apply(#"{"slow":null,"hang":null}"#, to: plan)
        #expect(!plan.hangs && plan.slowFactor == 1 && plan.resetAfterEvents == 2)
        plan = try Self.apply(#"{"reset_all":true,"garbage":true}"#, to: plan)
        #expect(plan.answersGarbage && plan.resetAfterEvents == nil)
    }

    @Test(arguments: [
        ("", nil, "JSON object"), ("[]", nil, "JSON object"),
        (#"{"hnag":true}"#, "hnag", "known are reset_all, hang,"),
        (#"{"hang":1}"#, "hang", "true or false"), (#"{"hang":"yes"}"#, "hang", "true or false"),
        (#"{"hang_after_events":-1}"#, "hang_after_events", "from 0 to"),
        (#"{"hang_after_events":true}"#, "hang_after_events", "whole number"),
        (#"{"head_bytes":1e300}"#, "head_bytes", "whole number"),
        (#"{"head_bytes":1.5}"#, "head_bytes", "whole number"),
        (#"{"slow":0}"#, "slow", "0.001 to 100000"), (#"{"slow":true}"#, "slow", "number"),
        (#"{"metrics":"broken"}"#, "metrics", "ok, slow, frozen, garbage, huge, dead"),
        (#"{"keep_alive_ms":600001}"#, "keep_alive_ms", "600000"),
    ])
    func `a wrong plan is refused with the key and what would be right`(
        json: String, key: String?, part: String
    ) throws {
        let error = try #require(throws: FaultPlanError.self) { try Self.apply(json) }
        #expect(error.key == key)
        #expect(error.message.contains(part))
        var buffer = ByteBuffer()
        error.append(to: &buffer)
        #expect(buffer.text().hasPrefix(#"{"error":{"message":""#))
    }

    @Test func `each fault reaches a request as its verdict`() throws {
        let cases: [(String, HeadFault)] = [
            ("{}", .none), (#"{"hang":true}"#, .hang), (#"{"reset":true}"#, .reset),
            (#"{"garbage":true}"#, .garbage), (#"{"head_bytes":9}"#, .oversizedHead(9)),
            (#"{"queue_full":true}"#, .queueFull), (#"{"die":true,"reset":true}"#, .engineDead),
            (#"{"hang":true,"reset":true}"#, .reset),
        ]
        for (json, verdict) in cases {
            var plan = try Self.apply(json)
            let fault = plan.next()
            #expect(fault.head == verdict, "\(json)")
        }
        var plan = try Self.apply(#"{"hang_after_events":3,"reset_after_events":2}"#)
        let fault = plan.next()
        #expect(fault == RequestFault(head: .none, stream: .reset(afterEvents: 2)))
    }

    @Test func `a number of requests bounds the faults, and healthy ones do not count`() throws {
        var plan = try Self.apply(#"{"requests":2}"#)
        _ = plan.next()
        #expect(plan.requestsLeft == 2)
        plan = try Self.apply(#"{"reset":true}"#, to: plan)
        let faults = (0..<4).map { _ in plan.next().head }
        #expect(faults == [.reset, .reset, .none, .none])
    }

    @Test func `delays are spans, the metrics' only while they are slow`() throws {
        var plan = try Self.apply(#"{"models_delay_ms":250,"metrics_delay_ms":40}"#)
        #expect(plan.modelsDelay == .milliseconds(250))
        #expect(plan.metricsDelay == .zero)
        #expect(plan.keepAlive == .seconds(5))
        plan = try Self.apply(#"{"metrics":"slow","keep_alive_ms":0}"#, to: plan)
        #expect(plan.metricsDelay == .milliseconds(40))
        #expect(plan.keepAlive == .zero)
    }
}
