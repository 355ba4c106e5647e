import SluiceTime

/// What is good for a class.
package struct ClassObjective: Equatable, Sendable {
    /// Longest good time to the first token; nil where there is no objective.
    package var firstToken: Nanoseconds?
    /// Added to it for each thousand tokens of prompt.
    package var perThousandPromptTokens = Nanoseconds.zero
    /// Longest good mean time per output token; nil where there is no objective.
    package var tokenGap: Nanoseconds?
    /// Share of the service that the class is never refused, 0…1.
    package var shareMin: Double
    /// Part of a replica's window that the class may fill, 0…1.
    package var shareMax: Double

    package init(
        firstToken: Nanoseconds? = Study.firstTokenObjective,
        tokenGap: Nanoseconds? = Study.tokenGapObjective, shareMin: Double = 0,
        shareMax: Double = 1
    ) {
        self.firstToken = firstToken
        self.tokenGap = tokenGap
        self.shareMin = shareMin
        self.shareMax = shareMax
    }

    /// Longest good time to the first token of a prompt of so many tokens.
    package func firstToken(promptTokens: Int) -> Nanoseconds? {
        guard let firstToken, perThousandPromptTokens > .zero else { return firstToken }
        let more = perThousandPromptTokens.seconds * Double(promptTokens) / 1_000
        return firstToken + .seconds(clamping: more)
    }
}
