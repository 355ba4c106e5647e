/// Signatures of what users get besides waits; see docs/diagnosis.md.
struct UserSignatures {
    let pool: PoolSignatures

    private var window: DiagnosisWindow { pool.window }

    /// All that match: they do not exclude each other.
    func all() -> [Finding] {
        [
            finding(
                .upstreamErrors, "answers that failed", \.failed, pool.ranges.failed,
                least: 3, part: 0.02),
            finding(
                .clientsLeave, "clients that left before their first token", \.abandoned,
                pool.ranges.abandoned, least: 5, part: 0.1),
            finding(
                .clientErrors, "requests refused for the client's fault", \.clientErrors,
                pool.ranges.clientErrors, least: 5, part: 0.2),
        ].compactMap { $0 }
    }

    /// A part of those that ended, far above what is usual and above a least part of them.
    private func finding(
        _ cause: Cause, _ signal: String, _ counter: (PoolFigures) -> Double,
        _ range: HealthyRange, least: Double, part: Double
    ) -> Finding? {
        let count = window.growth(counter)
        guard count >= least, let share = window.part(counter), share > part,
            range.upper(factor: 2, margin: part).map({ share > $0 }) ?? true
        else { return nil }
        return pool.finding(
            cause, range.isLearned ? .likely : .possible,
            [
                pool.usual(signal, share, range, .ratio),
                Evidence("of them in \(DiagnosisWindow.seconds) s", count, .requests),
                pool.usual(
                    "first token", window.mean(\.firstToken), pool.ranges.firstToken, .seconds),
            ])
    }
}
