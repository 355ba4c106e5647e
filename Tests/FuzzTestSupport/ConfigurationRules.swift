import SluiceConfig

/// What is accepted reads as the same when it is shown; what is refused can be told.
func configurationProblem(_ input: [UInt8]) -> String? {
    guard let text = String(validating: input, as: UTF8.self) else { return nil }
    do throws(ConfigurationError) {
        let read = try Configuration.read(text, name: "fuzz.yaml")
        return shownProblem(read)
    } catch {
        if error.issues.isEmpty { return "refused without a reason" }
        return error.text.isEmpty ? "refused without a word" : nil
    }
}

private func shownProblem(_ read: Configuration) -> String? {
    let shown = Configuration.render(read.settings)
    do throws(ConfigurationError) {
        let again = try Configuration.read(shown, name: "fuzz.yaml")
        if again.settings != read.settings { return "became another when shown: \(shown)" }
        return Configuration.render(again.settings) == shown ? nil : "shown in two ways: \(shown)"
    } catch {
        return "refused when shown: \(error.text)\(shown)"
    }
}
