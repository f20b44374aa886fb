"""What a model says instead of answering, and what leaks from its prompt: patterns as polars expressions.

In English, Vietnamese and Chinese; anchored at the first word, so that a story in which somebody says "I'm
sorry, I can't" later is left alone. English after the refusal lists of Vicuna's and WizardLM-unfiltered's
data cleaning, and what Alpaca was seen to hold; Vietnamese and Chinese in our own words. A refusal says that
the model cannot do what was asked, or that it is a model: "xin lỗi" and "对不起" alone open many a story.
"""

import polars as pl

_SORRY = (
    r"(?:(?:(?:i[’']?m|i am|we[’']?re|we are) )?(?:very |so |really |deeply )?sorry|unfortunately"
    r"|(?:i|we) apologi[sz]e|(?:my|our) apologies)[,.!]? (?:but )?"
)
_CANNOT = r"(?:i|we)(?: can ?not| can[’']t| am (?:unable|not able) to|[’']m (?:unable|not able) to)"
_SERVE = (
    r"(?:assist|help (?:you|with)|fulfill?|comply|complete|provide|generate|create|produce|answer|perform"
    r"|engage|continue|write|do (?:that|this))"
)
_AN_AI = r"an? (?:ai|artificial intelligence|(?:large )?language model)"
_A_MODEL = r"(?:a |an |the )?(?:gpt |ai |language )*model"
REFUSAL = (
    rf"(?i)^\W*(?:(?:{_SORRY})?(?:(?:as|i am|i[’']m)(?: just| only)? {_AN_AI}\b|{_CANNOT} {_SERVE}\b)"
    rf"|(?:i[’']?m|i am) sorry,? but {_CANNOT}\b"
    rf"|{_SORRY}(?:the|this) (?:task|request|instruction|question|prompt)\b"
    rf"|(?:the|this) (?:task|instruction|request) can(?:not|[’']t) be [^.]{{0,40}}by {_A_MODEL}"
    r"|no output(?: (?:as|because|since|possible|required|expected)\b|\W*$))"
)
_TOI = r"(?:tôi|mình|em|chúng tôi)"
_XIN_LOI = (
    r"(?:(?:tôi |mình |em )?(?:rất |thành thật |thực sự )?(?:xin lỗi|tiếc|xin thứ lỗi)|rất tiếc)"
    r"[,.!]?(?: nhưng)?"
)
_KHONG_THE = (
    rf"{_TOI}(?: hiện| hiện tại)? (?:không thể|không có khả năng|không được phép|chưa thể) "
    r"(?:giúp|hỗ trợ|thực hiện|đáp ứng|cung cấp|trả lời|tạo|viết|hoàn thành|làm (?:điều|việc)|thảo luận)"
)
_LA_AI = (  # "ai" in small letters is "who"
    r"là (?:một )?(?:mô hình ngôn ngữ|trí tuệ nhân tạo|trợ lý (?:ảo|trí tuệ nhân tạo)"
    r"|(?:mô hình |trợ lý )?(?-i:AI)\b)"
)
_REFUSAL_VI = (
    rf"(?i)^\W*(?:(?:{_XIN_LOI} ?)?(?:vì )?{_KHONG_THE}"
    rf"|(?:{_XIN_LOI} ?)?(?:với tư cách )?(?:(?:vì|do) )?(?:{_TOI} )?(?:chỉ )?{_LA_AI}"
    rf"|{_XIN_LOI} (?:yêu cầu|câu hỏi|nhiệm vụ) (?:này|của bạn)"
    r"|không có (?:đầu ra|kết quả)\W*$)"
)
_BAOQIAN = (
    r"(?:(?:很|非常|十分|真的)?(?:抱歉|对不起|對不起|遗憾|遺憾)|不好意思)[，,。.!！ ]*(?:但是?|不过)?[，, ]*"
)
_BUNENG = (
    r"(?:我|我们|本人)?(?:目前|暂时|现在)?(?:无法|無法|不能|不可以|没有办法|没法)"
    r"(?:为您|为你|给您|给你|向您|直接)?"
    r"(?:提供|帮助|幫助|协助|回答|完成|生成|满足|执行|创建|撰写|讨论)"
)
_SHI_AI = (
    r"(?:作为|作為|我是|我只是|由于我是|因为我是)(?:一个|一個|一款|一名)?(?:大型|大)?"
    r"(?:(?:人工智能|人工智慧|AI)(?:语言)?(?:助手|模型|助理)?|语言模型|語言模型|聊天机器人)"
)
_REFUSAL_ZH = (
    rf"(?i)^\W*(?:(?:{_BAOQIAN})?(?:{_BUNENG}|{_SHI_AI}(?:[，,]|\W*$|我))"
    rf"|{_BAOQIAN}(?:这个|该|您的|你的)(?:请求|任务|问题|要求)"
    r"|(?:无输出|没有输出|无输入)\W*$)"
)
LEAK = (
    r"(?i)#{2,} ?(?:instruction|response|input|output)\b|<\|[a-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>"
    r"|<no ?(?:input|output)\b|(?m:^\d{1,2}\. (?:instruction|input|output):)"
    r"|#{2,} ?(?:chỉ dẫn|hướng dẫn|yêu cầu|phản hồi|trả lời|đầu vào|đầu ra) ?[:：]"
    r"|#{2,} ?(?:指令|指示|回复|回應|响应|回答|输入|输出) ?[:：]"
    r"|(?m:^\d{1,2}[.、] ?(?:chỉ dẫn|đầu vào|đầu ra|指令|输入|输出) ?[:：])"
)
OPENING = 400  # characters in which a refusal shows itself


def is_refusal(answer: pl.Expr) -> pl.Expr:
    """Whether an answer opens with a refusal, a disclaimer ("as an AI language model") or "no output"."""
    opening = answer.str.strip_chars().str.head(OPENING).str.normalize("NFC")
    other = opening.str.contains(_REFUSAL_VI) | opening.str.contains(_REFUSAL_ZH)
    return answer.str.contains(REFUSAL) | other


def prompt_marker(answer: pl.Expr) -> pl.Expr:
    """The first marker of a prompt template in an answer ("### Response", "<noinput>"); null without one."""
    return answer.str.normalize("NFC").str.extract(LEAK, 0)
