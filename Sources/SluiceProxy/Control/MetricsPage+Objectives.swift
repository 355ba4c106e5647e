import SluiceInsight
import SluiceTelemetry

extension MetricsPage {
    static func addObjectives(_ control: ControlLoop, to snapshot: inout MetricSnapshot) {
        let plan = control.shared.objectives
        let names = control.registry.nameTables
        for (index, pair) in plan.pairs.enumerated() {
            let objective = plan.objectives[pair.objective]
            for model in knownModels(names) where plan.covers(pair: index, model: model) {
                var events = Events()
                for worker in control.shared.objectiveCounters {
                    events = events + worker.events(pair: index, model: model)
                }
                // Of every model from its first moment, so that the first bad event is an increase.
                let isShown = model != Int(ModelTable.other) || events.count > 0
                guard isShown else { continue }
                let labels = [
                    objective.name, names.models.name(UInt16(model)), plan.classes[pair.classIndex],
                    objective.indicator.rawValue,
                ]
                snapshot.add(.sloEvents, labels + ["good"], count: events.good)
                snapshot.add(.sloEvents, labels + ["bad"], count: events.bad)
            }
        }
        for objective in plan.objectives {
            snapshot.add(.sloObjective, [objective.name], objective.target)
        }
        addBurnRates(control.watch, to: &snapshot)
        for model in knownModels(names) {
            for worker in control.shared.objectiveCounters {
                let goodput = worker.goodput(model: model)
                guard goodput.requests > 0 else { continue }
                let label = [names.models.name(UInt16(model))]
                snapshot.add(.goodputRequests, label, count: goodput.requests)
                snapshot.add(.goodputTokens, label, count: goodput.tokens)
            }
        }
    }

    /// Over all classes; absent where a window has no event.
    private static func addBurnRates(_ watch: ObjectiveWatch, to snapshot: inout MetricSnapshot) {
        var shown = Set<Int>()
        for row in watch.rows where shown.insert(row.objective).inserted {
            let objective = watch.plan.objectives[row.objective]
            for window in Window.allCases where window != .tenMinutes {
                guard let share = row.windows.events(in: window).badShare else { continue }
                snapshot.add(
                    .sloLocalBurnRate, [objective.name, window.rawValue],
                    share / objective.budget)
            }
        }
    }

    /// Indexes of the models with a name, and that of all others.
    private static func knownModels(_ names: NameTables) -> [Int] {
        Array(names.models.names.indices) + [Int(ModelTable.other)]
    }
}
