import SluiceHTTP

/// The URL of a replica or of its metrics, with advice to whoever wrote it.
enum ReplicaURLText {
    /// Reads a URL.
    ///
    /// - Parameter allowsPath: metrics URLs have one, replicas do not: the client's path is used.
    @discardableResult
    static func read(_ text: String, allowsPath: Bool = false) throws(ValueProblem) -> HTTPURL {
        if text.isEmpty { throw ValueProblem("is empty") }
        let url: HTTPURL
        do throws(HTTPURLError) {
            url = try HTTPURL(text)
        } catch {
            throw problem(error, text)
        }
        if !allowsPath, !url.path.isEmpty, url.path != "/" {
            let bare = text.dropLast(url.path.count)
            throw ValueProblem(
                "\(quoted(text)) has a path", advice: "The client's path is used: write \(bare).")
        }
        return url
    }

    private static func problem(_ error: HTTPURLError, _ text: String) -> ValueProblem {
        let advice: String? =
            switch error {
            case .credentials: "Put vLLM's key into a file and name it in api_key_file."
            // vLLM's own port, where none is given: 80 is hardly ever meant.
            case .noScheme:
                "Did you mean http://\(text)\(text.contains(":") || text.contains("/") ? "" : ":8000")?"
            case .badIPv6: "Write it as http://[::1]:8000."
            case .badName: "A name has letters, digits, -, _ and . ; labels of 1 … 63 characters."
            case .badIPv4, .badPath, .otherScheme, .fragment, .badPort, .noHost: nil
            }
        if error == .credentials {
            return ValueProblem("the URL \(error) (not shown)", advice: advice, hidesLine: true)
        }
        return ValueProblem("\(quoted(text)) \(error)", advice: advice)
    }
}
