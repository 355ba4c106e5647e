/// What a finished exchange is judged by, worked out once for all objectives.
///
/// Times are in nanoseconds, -1 where there is none.
package struct ExchangeFigures: Sendable {
    /// A bit by the number of the outcome, and of the route.
    package var outcomeBit: UInt16
    package var routeBit: UInt32
    package var isServed: Bool
    package var hasClientGone: Bool
    package var isStream: Bool
    /// Index into ``NameTables/models``, at most ``ModelTable/other``.
    package var model: Int
    /// Index into ``NameTables/classes``.
    package var classIndex: Int
    package var timeToFirstToken: Int64
    package var duration: Int64
    package var timePerOutputToken: Int64
    /// By `usage`, else estimated, else 0.
    package var promptTokens: Int64
    /// By `usage`, else content events.
    package var generatedTokens: UInt64
}

extension ExchangeRecord {
    /// The figures of a finished exchange.
    ///
    /// Mutating, changing nothing: a borrow across modules is passed as a copy of the whole record, and
    /// so would every figure be that another module reads by itself (45 instructions more, measured).
    @inline(never)
    package mutating func figures() -> ExchangeFigures {
        let prompt = promptTokens >= 0 ? promptTokens : promptTokensEstimated
        return ExchangeFigures(
            outcomeBit: 1 << UInt16(outcome.rawValue), routeBit: 1 << UInt32(route.rawValue),
            isServed: outcome == .ok, hasClientGone: outcome == .clientGone, isStream: isStream,
            model: Int(min(modelIndex, ModelTable.other)), classIndex: Int(classIndex),
            timeToFirstToken: timeToFirstToken?.count ?? -1, duration: duration?.count ?? -1,
            timePerOutputToken: timePerOutputToken?.time.count ?? -1,
            promptTokens: Int64(max(0, prompt)),
            generatedTokens: generationTokens >= 0
                ? UInt64(generationTokens) : UInt64(contentEvents))
    }
}
