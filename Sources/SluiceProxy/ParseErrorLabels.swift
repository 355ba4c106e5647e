import SluiceHTTP
import SluiceTelemetry

// Metric shards count parse errors by number; these are the numbers and the names behind them.

extension RequestError {
    /// Index into ``NameTables/requestErrors``.
    var index: UInt8 { rawValue }
}

extension ResponseError {
    /// Index into ``NameTables/responseErrors``.
    var index: UInt8 { rawValue }
}

extension BodyError {
    /// Index of an error in a request's body.
    var requestIndex: UInt8 { UInt8(RequestError.allCases.count) + rawValue }
    /// Index of an error in a response's body.
    var responseIndex: UInt8 { UInt8(ResponseError.allCases.count) + rawValue }
}

extension NameTables {
    /// Fills in the names of parse errors.
    mutating func nameParseErrors() {
        let bodies = BodyError.allCases.map { $0.label.description }
        requestErrors = RequestError.allCases.map { $0.label.description } + bodies
        responseErrors = ResponseError.allCases.map { $0.label.description } + bodies
    }
}
