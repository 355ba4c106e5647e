import HTTPTestSupport
import SluiceBytes
import SluiceHTTP
import SluiceVLLM

/// A reader of bytes that a peer or an operator has written, and what has to hold of it whatever they
/// are: that it does not trap, hang or look beyond them, and the rules in this module.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// A client's request: head, and what its fields and path are read for.
    case request
    /// A replica's answer: head, to all methods.
    case response
    /// A chunked body.
    case chunked
    /// An event stream: where events end, and what each of them is.
    case events
    /// A request's JSON body: what is peeked at, and how it is edited.
    case json
    /// A JSON answer, for its usage and its id.
    case usage
    /// A form with a model in it: a line with its Content-Type, then the body.
    case multipart
    /// What `/v1/models` and `/version` answer.
    case models
    /// A page of metrics.
    case metrics
    /// A configuration file.
    case config
    /// A single value: trace context, load report, URL, address, list of fields, path.
    case values

    /// What does not hold of `input`; nil where all does.
    package func problem(_ input: [UInt8]) -> String? {
        // Of the bytes, so that an input is read in the same way each time.
        var random = SplitMix64(seed: FNV1a(input.span).value)
        var readings = [someCuts(input.count, &random), someCuts(input.count, &random)]
        if input.count <= 512 { readings.append(Array(1..<max(1, input.count))) }
        switch self {
        case .request:
            let other = mutate(input, &random)
            return requestProblem(input, readings: readings)
                ?? followingHeadProblem(input, other)
        case .response:
            let other = mutate(input, &random)
            return responseProblem(input, to: .post, readings: readings)
                ?? responseProblem(input, to: .head, readings: readings)
                ?? followingHeadProblem(input, other)
        case .chunked:
            let length = Int.random(in: 0...40, using: &random)
            return bodyProblem(input, .chunked, readings: readings)
                ?? bodyProblem(input, .length(length), readings: readings)
                ?? bodyProblem(input, .untilClose, readings: readings)
        case .events: return eventsProblem(input, readings: readings)
        case .json: return requestBodyProblem(input, readings: readings, &random)
        case .usage: return answerProblem(input, readings: readings)
        case .multipart: return multipartProblem(input, readings: readings)
        case .models: return modelsProblem(input)
        case .metrics: return metricsProblem(input, readings: readings)
        case .config: return configurationProblem(input)
        case .values: return valuesProblem(input)
        }
    }
}
