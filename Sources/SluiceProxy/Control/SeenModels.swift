import SluiceTime

/// Models that replicas have told of lately: one stays known when the replicas that serve it are
/// away or have just been replaced, so that its requests wait or are retried instead of getting a
/// 404, which no client repeats.
struct SeenModels {
    /// How long after it was last told of a model is forgotten.
    static let ageMax = Nanoseconds.seconds(24 * 3_600)
    /// Models remembered at most; further ones are known only while they are told of.
    static let countMax = 4_096

    struct Place {
        let pool: Int
        let label: UInt16
        fileprivate(set) var told: Instant
    }

    private(set) var places: [String: Place] = [:]

    /// A replica of `pool` serves `model`.
    mutating func tell(_ model: String, pool: Int, label: UInt16, now: Instant) {
        guard places.count < Self.countMax || places[model] != nil else { return }
        places[model] = Place(pool: pool, label: label, told: now)
    }

    /// Forgets what nobody has told of for ``ageMax``.
    mutating func expire(now: Instant) {
        places = places.filter { now - $0.value.told < Self.ageMax }
    }
}
