import unicodedata

import polars as pl
import pytest

from tasks.boilerplate import is_refusal, prompt_marker


def judged(expression, text):
    return pl.DataFrame({"answer": [text]}).select(expression(pl.col("answer"))).item()


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I do not have feelings.",
        "as an artificial intelligence I have no opinion",
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, but I cannot.",
        "I am sorry but I am unable to open files.",
        "Sorry, I can't help you with that.",
        "I apologize, but I cannot provide medical advice.",
        "Unfortunately, I am not able to generate images.",
        "I'm just an AI, so I can't taste it.",
        "Sorry, the task involves creating a visual output.",
        "This task cannot be completed by a GPT model.",
        "No output as GPT models cannot create images.",
        "<no output>",
        "“I cannot fulfill this request.”",
        "Xin lỗi, tôi không thể giúp bạn với yêu cầu này.",
        "Tôi rất tiếc, nhưng tôi không thể thực hiện yêu cầu đó.",
        "Tôi xin lỗi nhưng tôi không thể cung cấp thông tin này.",
        "Rất tiếc, yêu cầu này vượt quá khả năng của tôi.",
        "Là một mô hình ngôn ngữ AI, tôi không có cảm xúc.",
        "Với tư cách là một trợ lý ảo, tôi không ăn được bánh.",
        "Tôi chỉ là một mô hình ngôn ngữ nên không biết thời tiết hôm nay.",
        "Vì tôi là AI, tôi không xem được hình ảnh.",
        "Không có đầu ra.",
        "抱歉，我无法提供这方面的帮助。",
        "很抱歉，我不能满足您的要求。",
        "对不起，但我无法回答这个问题。",
        "非常遗憾，该请求不合适。",
        "作为一个人工智能语言模型，我没有感情。",
        "作为AI助手，我不能品尝食物。",
        "我是一个语言模型，没有身体。",
        "我无法生成图片。",
        "“抱歉，我无法协助完成这个请求。”",
        "無法提供。",
        "无输出",
    ],
)
def test_refusals_and_disclaimers_are_known_by_their_opening(text):
    assert judged(is_refusal, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Positive",
        "I'm sorry to hear that. It must be very difficult for you.",
        "Sorry, I won't be able to make it to the meeting.",
        "I can't believe it - I'm so frustrated right now!",
        "I can't help but smile when it rains.",
        "I cannot swim, said the fox. I'm sorry, but I can't come with you.",
        "I apologize for the inconvenience. We will send the correct item.",
        "You are as dimwitted as an AI-generated insult.",
        "Unfortunately, the prices of Amazon rose.",
        "The girl said: as an AI language model you know nothing.",
        "No output device was found, so the fox listened to the wind.",
        "对不起，我今天不能来。",
        "对不起，小熊说，我不能和你一起玩了。",
        "抱歉让你久等了，我们出发吧。",
        "我不能没有你，小狐狸说。",
        "人工智能是计算机科学的一个分支。",
        "作为一个农夫，他每天很早起床。",
        "作为人工智能之父，图灵提出了许多问题。",
        "无法无天的猴子终于学乖了。",
        "Xin lỗi, mai tớ không đến được nhé.",
        "Xin lỗi mẹ, con làm vỡ cái bình rồi.",
        "Tôi rất tiếc khi nghe tin buồn của bạn.",
        "Tôi không thể tin được, cô bé reo lên.",
        "Là một nông dân, bác Tư dậy rất sớm.",
        "Tôi là ai? Tôi là một quả cam tròn.",
        "Trí tuệ nhân tạo là một ngành của khoa học máy tính.",
        "Không có kết quả nào khiến cậu vui hơn thế.",
    ],
)
def test_apologies_and_sentences_inside_a_text_are_no_refusals(text):
    assert not judged(is_refusal, text)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_unicode_form_of_vietnamese_does_not_matter(form):
    assert judged(is_refusal, unicodedata.normalize(form, "Xin lỗi, tôi không thể giúp bạn."))
    assert judged(prompt_marker, unicodedata.normalize(form, "### Đầu vào: số ba")) == "### Đầu vào:"


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("Fine.\n\n### Response: fine", "### Response"),
        ("### Instruction:\nSay hi", "### Instruction"),
        ("yes<|im_end|>", "<|im_end|>"),
        ("one <|endoftext|> two", "<|endoftext|>"),
        ("[INST] hello [/INST]", "[INST]"),
        ("<<SYS>> be kind", "<<SYS>>"),
        ("<noinput>", "<noinput"),
        ("<nooutput - cannot create>", "<nooutput"),
        ("She watered them.\n\n6. Instruction: Write a poem", "6. Instruction:"),
        ("Xong rồi.\n\n### Phản hồi: xong", "### Phản hồi:"),
        ("### Chỉ dẫn:\nViết một câu", "### Chỉ dẫn:"),
        ("好的。\n### 回复：好的", "### 回复："),
        ("###指令：写一个故事", "###指令："),
        ("她笑了。\n2、指令：写一首诗", "2、指令："),
        ("### 回答问题的方法", None),
        ("### Hướng dẫn nấu cơm", None),
        ("1. 输入法很多", None),
        ("# Input\n\nA heading", None),
        ("### How to cook rice", None),
        ("Input: 2 + 3\nOutput: 5", None),
        ("if a < no and b > 1", None),
        ("the list [inst] is not", "[inst]"),
    ],
)
def test_markers_of_prompt_templates_are_found(text, marker):
    assert judged(prompt_marker, text) == marker
