/// How many times as long as its replica's usual a token takes in one answer of fifty.
///
/// A short answer that meets somebody's long prompt has few steps to spread its time over. Where most
/// are short, engines whose users' mean is well within the objective for the time per token have many
/// beyond it (answers of 8 tokens, prompts of 200, 64 slots, 60 ms, at 1.2, 1.5 and 2x: 93, 94 and
/// 93 % of those let in within it, 98 % each time so, for goodputs of 93, 98, 97 and of 95, 97, 99 %).
struct PaceTail: Sendable {
    /// Answers that took longer are as their engine was: it has seen them in ``ReplicaEstimates/userStepTime``.
    private static let shortMax = 1.0
    /// What the limits of ``ReplicaEstimates`` leave to the tail of any answers.
    private static let usual = 1.3
    private var walk = TailWalk(in: 1...3)

    /// The part of an objective that stands for the mean when so many are within the whole.
    var part: Double { min(1, Self.usual / walk.value) }

    /// An answer's time per token, seconds, of `tokens`, and what was usual at its replica.
    mutating func observe(_ time: Double, tokens: Int, usual: Double) {
        let isShort = time * Double(tokens) < Self.shortMax
        walk.observe(isShort ? time / max(usual, 1e-4) : 1)
    }
}
