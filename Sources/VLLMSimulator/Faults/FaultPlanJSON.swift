import Foundation
import SluiceBytes

/// Why a fault plan was not taken; the plan stays as it was.
package struct FaultPlanError: Error, Equatable, Sendable {
    /// What is wrong and what would be right, in a sentence.
    package let message: String
    /// The key that is wrong, where there is one.
    package let key: String?

    /// Writes a 400 body of the shape of vLLM's own.
    package func append(to buffer: inout ByteBuffer) {
        buffer.append(#"{"error":{"message":"#)
        buffer.append(json: message)
        buffer.append(#","type":"BadRequestError","param":"#)
        if let key { buffer.append(json: key) } else { buffer.append("null") }
        buffer.append(#","code":400}}"#)
    }
}

extension FaultPlan {
    /// One knob: its name, how it is read, how it is shown.
    private struct Knob {
        let name: String
        let set: (inout FaultPlan, Any) throws(FaultPlanError) -> Void
        let show: (FaultPlan) -> String
    }

    /// The names of all knobs, in the order of the page.
    package static var knobNames: [String] { knobs.map(\.name) }

    /// The plan with the knobs of a JSON object turned; absent ones stay, `null` is the default.
    ///
    /// `{"reset_all": true}` first clears every fault.
    ///
    /// - Throws: at the first key that is unknown or has a wrong value.
    package func applying(json: Span<UInt8>) throws(FaultPlanError) -> FaultPlan {
        var copy = ByteBuffer()
        copy.append(json)
        let parsed = try? JSONSerialization.jsonObject(with: Data(copy.array()))
        guard let object = parsed as? [String: Any] else {
            throw FaultPlanError(
                message: "the body must be a JSON object such as {\"hang\": true}", key: nil)
        }
        var plan = self
        if let clear = object["reset_all"] {
            if try Self.flag("reset_all", clear) { plan = FaultPlan() }
        }
        for name in object.keys.sorted() where name != "reset_all" {
            guard let knob = Self.knobs.first(where: { $0.name == name }) else {
                throw FaultPlanError(
                    message:
                        "there is no fault \"\(name)\"; known are reset_all, \(Self.knobNames.joined(separator: ", "))",
                    key: name)
            }
            guard let value = object[name] else { continue }
            try knob.set(&plan, value)
        }
        return plan
    }

    /// Writes the plan as a JSON object with every knob.
    package func append(to buffer: inout ByteBuffer) {
        buffer.append("{")
        for (index, knob) in Self.knobs.enumerated() {
            if index > 0 { buffer.append(0x2C) }
            buffer.append(json: knob.name)
            buffer.append(0x3A)
            buffer.append(text: knob.show(self))
        }
        buffer.append("}")
    }

    // MARK: Knobs

    private static var knobs: [Knob] {
        [
            knob("hang", \.hangs),
            knob("hang_after_events", \.hangAfterEvents, 0...1_000_000_000),
            knob("reset", \.resets),
            knob("reset_after_events", \.resetAfterEvents, 0...1_000_000_000),
            knob("garbage", \.answersGarbage),
            knob("head_bytes", \.headBytes, 1...bytesMax),
            knob("queue_full", \.refusesAsFull),
            knob("requests", \.requestsLeft, 0...1_000_000_000),
            slowKnob,
            knob("freeze", \.freezesEngine),
            knob("die", \.isDead),
            knob("keep_alive_ms", \.keepAliveMilliseconds, 0...delayMillisecondsMax),
            knob("models_delay_ms", \.modelsDelayMilliseconds, 0...delayMillisecondsMax),
            metricsKnob,
            knob("metrics_delay_ms", \.metricsDelayMilliseconds, 0...delayMillisecondsMax),
            knob("metrics_bytes", \.metricsBytes, 1...bytesMax),
        ]
    }

    private static func knob(_ name: String, _ path: WritableKeyPath<FaultPlan, Bool>) -> Knob {
        Knob(
            name: name,
            set: { (plan, value) throws(FaultPlanError) in
                plan[keyPath: path] =
                    value is NSNull ? FaultPlan()[keyPath: path] : try flag(name, value)
            },
            show: { $0[keyPath: path] ? "true" : "false" })
    }

    private static func knob(
        _ name: String, _ path: WritableKeyPath<FaultPlan, Int>, _ range: ClosedRange<Int>
    ) -> Knob {
        Knob(
            name: name,
            set: { (plan, value) throws(FaultPlanError) in
                plan[keyPath: path] =
                    value is NSNull ? FaultPlan()[keyPath: path] : try integer(name, value, range)
            },
            show: { "\($0[keyPath: path])" })
    }

    private static func knob(
        _ name: String, _ path: WritableKeyPath<FaultPlan, Int?>, _ range: ClosedRange<Int>
    ) -> Knob {
        Knob(
            name: name,
            set: { (plan, value) throws(FaultPlanError) in
                plan[keyPath: path] = value is NSNull ? nil : try integer(name, value, range)
            },
            show: { $0[keyPath: path].map(String.init) ?? "null" })
    }

    private static var slowKnob: Knob {
        Knob(
            name: "slow",
            set: { (plan, value) throws(FaultPlanError) in
                if value is NSNull {
                    plan.slowFactor = 1
                    return
                }
                guard !JSONText.isFlag(value), let factor = value as? Double, factor >= 0.001,
                    factor <= 100_000
                else {
                    throw FaultPlanError(
                        message: "\"slow\" must be a number from 0.001 to 100000; 1 is healthy",
                        key: "slow")
                }
                plan.slowFactor = factor
            },
            show: { $0.slowFactor.description })
    }

    private static var metricsKnob: Knob {
        Knob(
            name: "metrics",
            set: { (plan, value) throws(FaultPlanError) in
                if value is NSNull {
                    plan.metrics = .ok
                    return
                }
                guard let fault = (value as? String).flatMap(MetricsFault.init(rawValue:)) else {
                    let names = MetricsFault.allCases.map(\.rawValue).joined(separator: ", ")
                    throw FaultPlanError(
                        message: "\"metrics\" must be one of \(names)", key: "metrics")
                }
                plan.metrics = fault
            },
            show: { "\"\($0.metrics.rawValue)\"" })
    }

    // MARK: Values

    private static func flag(_ name: String, _ value: Any) throws(FaultPlanError) -> Bool {
        guard JSONText.isFlag(value), let flag = value as? Bool else {
            throw FaultPlanError(message: "\"\(name)\" must be true or false", key: name)
        }
        return flag
    }

    private static func integer(
        _ name: String, _ value: Any, _ range: ClosedRange<Int>
    ) throws(FaultPlanError) -> Int {
        guard !JSONText.isFlag(value), let number = value as? Int, range.contains(number) else {
            throw FaultPlanError(
                message:
                    "\"\(name)\" must be a whole number from \(range.lowerBound) to \(range.upperBound)",
                key: name)
        }
        return number
    }
}
