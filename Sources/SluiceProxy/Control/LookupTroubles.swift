import SluiceTime

/// What is worth saying of names that cannot be looked up: that it began, at most once a minute that
/// it goes on, and that it is over. A dead name server fails a look-up of each name every few seconds.
struct LookupTroubles {
    private struct Trouble {
        let since: Instant
        var saidAt: Instant
        /// Look-ups that have failed since it was last told of.
        var untold = 0
        var failures = 1
    }

    /// By authority; no more than the names that are looked up.
    private var troubles: [String: Trouble] = [:]

    /// Between two words about the same name that stays unknown.
    static let sayInterval = Nanoseconds.seconds(60)

    /// A look-up of `authority` (`host:port`) has failed.
    ///
    /// - Returns: what to say of it; nil for nothing new.
    mutating func failed(_ authority: String, _ reason: String, now: Instant) -> String? {
        guard var trouble = troubles[authority] else {
            troubles[authority] = Trouble(since: now, saidAt: now)
            return "cannot look up \(authority): \(reason); the addresses known last stay in use"
        }
        trouble.failures += 1
        trouble.untold += 1
        defer { troubles[authority] = trouble }
        guard now - trouble.saidAt >= Self.sayInterval else { return nil }
        let text =
            "still cannot look up \(authority): \(reason); \(trouble.untold) more failures in "
            + "\(Self.seconds(now - trouble.saidAt)) s"
        trouble.untold = 0
        trouble.saidAt = now
        return text
    }

    /// A look-up has brought addresses.
    ///
    /// - Returns: what to say; nil where it could be looked up before.
    mutating func succeeded(_ authority: String, now: Instant) -> String? {
        guard let trouble = troubles.removeValue(forKey: authority) else { return nil }
        return "\(authority) is found again, after \(trouble.failures) failed look-ups in "
            + "\(Self.seconds(now - trouble.since)) s"
    }

    /// Forgets all names but these: lists may change for ever.
    mutating func keep(only authorities: Set<String>) {
        troubles = troubles.filter { authorities.contains($0.key) }
    }

    private static func seconds(_ span: Nanoseconds) -> Int64 {
        (span.wholeMillisecondsRoundedUp + 999) / 1_000
    }
}
