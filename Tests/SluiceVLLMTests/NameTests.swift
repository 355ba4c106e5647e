import SluiceBytes
import Testing

@testable import SluiceVLLM

@Suite struct NameTests {
    @Test(arguments: [
        ("model", Name.model), ("store", Name.store), ("input", Name.input),
        ("stream", Name.stream), ("prompt", Name.prompt), ("best_of", Name.bestOf),
        ("messages", Name.messages), ("priority", Name.priority), ("max_tokens", Name.maxTokens),
        ("stream_options", Name.streamOptions), ("prompt_cache_key", Name.promptCacheKey),
        ("max_output_tokens", Name.maxOutputTokens),
        ("max_completion_tokens", Name.maxCompletionTokens),
        ("previous_response_id", Name.previousResponseID), ("n", Name.n),
        ("include_usage", Name.includeUsage), ("type", Name.type), ("url", Name.url),
        ("role", Name.role), ("user", Name.user),
        ("data", Name.data), ("image_url", Name.imageUrl), ("file_data", Name.fileData),
        ("image_embeds", Name.imageEmbeds), ("input_image", Name.inputImage),
        ("input_audio", Name.inputAudio), ("audio_url", Name.audioUrl),
        ("video_url", Name.videoUrl), ("input_file", Name.inputFile), ("file", Name.file),
        ("choices", Name.choices), ("delta", Name.delta), ("content", Name.content),
        ("tool_calls", Name.toolCalls), ("text", Name.text), ("error", Name.error),
        ("usage", Name.usage), ("refusal", Name.refusal), ("reasoning", Name.reasoning),
        ("reasoning_content", Name.reasoningContent), ("arguments", Name.arguments),
        ("name", Name.name), ("prompt_tokens", Name.promptTokens),
        ("completion_tokens", Name.completionTokens), ("input_tokens", Name.inputTokens),
        ("output_tokens", Name.outputTokens), ("cached_tokens", Name.cachedTokens),
        ("prompt_tokens_details", Name.promptTokensDetails),
        ("input_tokens_details", Name.inputTokensDetails),
    ])
    func `is the text it stands for, wherever that lies`(text: String, name: PackedText) {
        let bytes = Array(text.utf8)
        for (before, after) in [(0, 0), (3, 0), (0, 40), (5, 23), (1, 1)] {
            let room =
                Array(repeating: UInt8(0x78), count: before) + bytes
                + Array(repeating: 0x79, count: after)
            #expect(PackedText(room.span, at: before, count: bytes.count) == name)
        }
        var built = PackedText()
        for byte in bytes { built.append(byte) }
        #expect(built == name)
        built.append(0)
        #expect(built != name)
    }

    @Test func `a text longer than any name equals none, cut or whole`() {
        let text = Array("prompt_tokens_details_and_more".utf8)
        let whole = PackedText(text.span, at: 0, count: text.count)
        var built = PackedText()
        for byte in text { built.append(byte) }
        #expect(whole == built)
        #expect(whole != Name.promptTokensDetails)
    }
}
