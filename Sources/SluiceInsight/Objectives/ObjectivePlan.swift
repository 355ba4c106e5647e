import SluiceTelemetry

/// Which objectives an exchange is judged by and where each is counted, worked out once at start.
///
/// Immutable, shared by all workers. Models are numbered as in ``ModelTable``: those that objectives
/// name have to be the first that are interned, in the order of ``modelNames(of:)``.
package final class ObjectivePlan: Sendable {
    /// Cells of one pair of objective and class: good and bad of each model and of `other`.
    static let pairCells = 2 * (Int(ModelTable.other) + 1)

    /// Objective and class of each pair; the cells of pair `i` begin at `i * pairCells`.
    package let pairs: [(objective: Int, classIndex: Int)]
    /// The objectives.
    package let objectives: [Objective]
    /// Names of all classes, by index.
    package let classes: [String]
    /// One for each pair.
    let entries: [Entry]
    /// Of each class the first entry, and the end of the last.
    let starts: [Int]

    struct Entry: Sendable {
        let criterion: Criterion
        /// A bit for each model but `other`.
        let models: UInt64
        let coversOther: Bool
        let base: Int

        @inline(__always)
        func covers(_ model: Int) -> Bool {
            model < 64 ? models >> UInt64(model) & 1 != 0 : coversOther
        }
    }

    /// - Parameter objectives: at most ``Objective/pairsMax`` pairs with classes are kept.
    package init(_ objectives: [Objective], classes: [String]) {
        self.objectives = objectives
        self.classes = classes
        var models = ModelTable()
        for name in Self.modelNames(of: objectives) { _ = models.intern(name) }
        var pairs: [(objective: Int, classIndex: Int)] = []
        var entries: [Entry] = []
        var starts = [0]
        for (classIndex, name) in classes.enumerated() {
            for (index, objective) in objectives.enumerated()
            where objective.covers(class: name) && pairs.count < Objective.pairsMax {
                let named = objective.models.map { models.index(of: $0) }
                entries.append(
                    Entry(
                        criterion: Criterion(objective),
                        models: named.isEmpty
                            ? .max
                            : named.reduce(0) { $1 < 64 ? $0 | 1 << UInt64($1) : $0 },
                        coversOther: named.isEmpty, base: pairs.count * Self.pairCells))
                pairs.append((index, classIndex))
            }
            starts.append(entries.count)
        }
        self.pairs = pairs
        self.entries = entries
        self.starts = starts
    }

    /// The models that objectives name, each once, in the order in which they get their numbers.
    package static func modelNames(of objectives: [Objective]) -> [String] {
        var names: [String] = []
        for name in objectives.flatMap(\.models) where !names.contains(name) { names.append(name) }
        return names
    }

    /// Pairs of objective and class that so many objectives make.
    package static func pairCount(_ objectives: [Objective], classes: [String]) -> Int {
        objectives.reduce(0) { sum, objective in
            sum + classes.count { objective.covers(class: $0) }
        }
    }

    /// Whether pair `index` counts the model.
    package func covers(pair index: Int, model: Int) -> Bool {
        entries[index].covers(model)
    }

    /// Whether requests of the route are judged: what replicas serve, nothing that we answer.
    @inline(__always)
    static func counts(_ route: Route) -> Bool {
        switch route {
        case .chatCompletions, .completions, .responses, .responsesByID, .embeddings, .messages,
            .rerank, .score, .audioTranscriptions, .audioTranslations, .tokenize, .detokenize,
            .pooling, .classify:
            true
        case .models, .health, .admin, .unknown: false
        }
    }
}
