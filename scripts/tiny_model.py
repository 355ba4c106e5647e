"""Writes a model that vLLM can load with dummy weights: a config and a tokenizer, no weights.

usage: python tiny_model.py DIRECTORY        (needs the `tokenizers` package that vLLM brings)

LAYERS layers of Llama, 4,096 tokens of vocabulary, and what it says is noise. The layers are
there to take time: with two of them vLLM's engine makes a thousand tokens per second, more than
its own HTTP server can write, which then answers nothing else until a stream has ended – no
/metrics and no abort. With these a core takes some ten milliseconds per token, as real models do.
The tokenizer is trained on the text of Python's
own help pages, because no text can be downloaded where tests run.
"""

import json
import pathlib
import pydoc_data.topics
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END, TURN, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTEXT = 4096
LAYERS = 16

CHAT_TEMPLATE = (
    "{% for message in messages %}" + TURN + "{{ message['role'] }}\n"
    "{{ message['content'] }}" + TURN_END + "\n{% endfor %}"
    "{% if add_generation_prompt %}" + TURN + "assistant\n{% endif %}")


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        pydoc_data.topics.topics.values(),
        trainers.BpeTrainer(
            vocab_size=4096, special_tokens=[END, TURN, TURN_END], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.save(str(directory / "tokenizer.json"))

    files = {
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHAT_TEMPLATE,
            "bos_token": END, "pad_token": END, "eos_token": TURN_END,
            "model_max_length": CONTEXT, "clean_up_tokenization_spaces": False},
        "generation_config.json": {"bos_token_id": 0, "pad_token_id": 0, "eos_token_id": 2},
        # Written last: its presence says that the model is complete.
        "config.json": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama",
            "torch_dtype": "float32", "hidden_act": "silu", "hidden_size": 128,
            "intermediate_size": 256, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
            "num_key_value_heads": 2, "head_dim": 64, "vocab_size": tokenizer.get_vocab_size(),
            "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "initializer_range": 0.02, "tie_word_embeddings": False, "use_cache": True,
            "bos_token_id": 0, "pad_token_id": 0, "eos_token_id": 2}}
    for name, value in files.items():
        (directory / name).write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
