import SluiceTime

/// What admission knows of a request.
package struct Arrival: Sendable {
    /// Prompt size in tokens, estimated without a tokenizer.
    package var promptTokensEstimate: Int
    /// Output tokens the request may ask for; 0 where it does not say.
    package var outputTokensMax: Int
    /// Priority class, 0 the most urgent.
    package var classIndex: Int
    /// Bytes of body held for it.
    package var bodyBytes: Int
    /// The caller's own deadline; the queue's bound applies besides.
    package var deadline: Deadline
    /// Which of the pool's models.
    package var modelIndex: Int

    package init(
        promptTokensEstimate: Int = 0, outputTokensMax: Int = 0, classIndex: Int = 0,
        bodyBytes: Int = 0, deadline: Deadline = .never, modelIndex: Int = 0
    ) {
        self.promptTokensEstimate = promptTokensEstimate
        self.outputTokensMax = outputTokensMax
        self.classIndex = classIndex
        self.bodyBytes = bodyBytes
        self.deadline = deadline
        self.modelIndex = modelIndex
    }
}
