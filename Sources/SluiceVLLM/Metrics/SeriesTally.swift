/// What has been added up for one series of a page.
struct SeriesTally {
    /// How the samples that counted were named; `absent` before the first.
    private(set) var rank = VLLMSeries.Rank.absent
    private var total = 0.0
    /// A series with one unbelievable sample has no value: the sum over the engines that are left
    /// would say that a replica has less to do than it has.
    private var isSpoilt = false

    /// The sum or maximum, nil if the series is absent or spoilt.
    var value: Double? { rank == .absent || isSpoilt ? nil : total }

    /// Adds a sample, or keeps it if it is the largest.
    ///
    /// - Returns: whether the sample could be believed: 0 … `bound`, the sum included.
    mutating func add(
        _ sample: Double, _ rank: VLLMSeries.Rank, isMaximum: Bool, bound: Double
    ) -> Bool {
        // NaN fails both comparisons.
        let isBelievable = sample >= 0 && sample <= bound
        guard enter(rank) else { return isBelievable }
        guard isBelievable else {
            isSpoilt = true
            return false
        }
        let next = isMaximum ? max(total, sample) : total + sample
        guard next <= bound else {
            isSpoilt = true
            return false
        }
        total = next
        return true
    }

    /// Notes a sample that says that its engine has no value.
    mutating func spoil(_ rank: VLLMSeries.Rank) {
        if enter(rank) { isSpoilt = true }
    }

    /// Whether samples named like this count; the first of a better name forgets the others.
    private mutating func enter(_ rank: VLLMSeries.Rank) -> Bool {
        guard rank <= self.rank else { return false }
        if rank < self.rank { self = SeriesTally(rank: rank) }
        return true
    }

    /// No samples yet.
    init() {}

    private init(rank: VLLMSeries.Rank) { self.rank = rank }
}
