"""Prompts that break tokenizers, and a seeded generator of more."""

import random

WORDS = ("a red circle moving right on a white background", "a small blue square bounces slowly",
         "green triangle spinning", "two yellow stars orbit each other at night", "zebra", "antidisestablishmentarianism")

HAND_WRITTEN = [
    "", " ", "   ", "\t", "\n", "\r\n", " \u00a0 ", "\u2003\u2009", "\u200b", "\u200b \u200b", "\ufeff", "\u0000", "a\u0000b", "\u0007bell",
    "\x1b[31mred\x1b[0m", "\u0085next line", "line\u2028separator\u2029paragraph", "tab\tseparated\twords", "trailing space ",
    " leading space", "double  space", "new\nline", "win\r\ndows", "nbsp\u00a0here", "zero\u200bwidth", "soft\u00adhyphen", "word\u2060joiner",
    "A", "a", "I", "!", "?", ".", ",", "'", "\"", "`", "-", "_", "#", "@", "&", "*", "(", ")", "</w>", "a</w>", "a </w> b",
    "UPPER CASE", "MiXeD CaSe", "camelCaseWord", "ALL CAPS!!!", "İstanbul", "ISTANBUL ı i İ I", "ǅ ǈ titlecase digraphs", "straße STRASSE ẞ",
    "ΣΊΣΥΦΟΣ", "ὈΔΥΣΣΕΎΣ", "ﬁ ligature ﬂ", "K kelvin sign", "Å angstrom Å", "Ⅷ ⅷ roman", "ℌ fraktur",
    "0", "1", "007", "12345678901234567890", "3.14", "1,000,000", "1e-10", "-5", "½ ¾ ⅓", "² ³ ⁴", "①②③", "٠١٢٣", "०१२", "๑๒๓", "Ⅳ", "16x9", "4k60fps", "x1y2z3",
    "...", "....", "……", "!!!???", "?!?!", "--", "---", "—", "–", "a—b", "a-b-c", "a_b_c", "#hashtag", "@user", "user@example.org",
    "a/b\\c", "1/2", "50%", "$5.00", "€5", "£5", "¥5", "{json: [1, 2]}", "<b>bold</b>", "a&b", "a+b=c", "~*~", ">_<", "^^", "\\n", "a\\'s",
    "it's", "IT'S", "it’s", "don't", "we're", "they've", "I'm", "she'll", "he'd", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "''s", "'S", "'sa", "rock'n'roll",
    "o'clock", "'tis", "dogs'", "dogs' bones", "a'b", "'''", "x's's", "can't've", "y'all'd've", "!'s", "'s!", "9's", "'9s", "'ſ", "it'ſ",
    "<|startoftext|>", "<|endoftext|>", "<|startoftext|> a cat <|endoftext|>", "a<|endoftext|>b", "a <|endoftext|> b", "<|ENDOFTEXT|>", "<|EndOfText|> x",
    "<|endoftext|", "|endoftext|>", "<| endoftext |>", "<<|endoftext|>>", "<|endoftext|><|endoftext|>", "<|startoftext|><|endoftext|>", "<|endoftext|>'s", "<|endoftext|></w>",
    "<|endoftext|>!", "!<|endoftext|>", "<|pad|>", "<pad>", "[CLS]", "</s>",
    "😀", "😀😀😀", "a😀b", "👨‍👩‍👧‍👦", "👩🏽‍🚀 on the moon", "🇩🇪", "🇩🇪🇫🇷", "✈️", "✈", "❤️", "1️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🫠", "☃", "★☆", "♥♦♣♠",
    "红色的圆", "一只猫在雪地里跑", "日本語のテキスト", "ひらがな カタカナ", "ﾊﾝｶｸ ｶﾅ", "ＦＵＬＬ　ＷＩＤＴＨ", "한국어 텍스트", "한국어", "가각", "𠮷野家", "中文abc混合123", "、。「」",
    "שלום עולם", "مرحبا بالعالم", "مَرْحَبًا", "\u202eright to left override", "abc \u200fdef\u200e", "فارسی ۱۲۳", "हिन्दी", "नमस्ते", "தமிழ்", "ไทย", "ภาษาไทย", "ქართული", "ᲥᲐᲠᲗᲣᲚᲘ", "Ꭰ Ꭱ ꭰ cherokee", "Հայերեն", "Русский текст", "РУССКИЙ", "ЁЖ ёж", "Ελληνικά",
    "e\u0301", "\u00e9", "E\u0301", "a\u0300\u0301\u0302", "Z\u0351\u036b\u0343a\u0321l\u0349g\u0353o\u0348", "\u0301 alone", "q\u0307\u0323", "q\u0323\u0307", "\u1e9b\u0323", "ñ ñ", "Vie\u0323\u0302t", "Việt Nam", "\u212b", "\u2126 \u03a9", "\uac00 \u1100\u1161", "\u0f73", "\u0344", "\ufb1d",
    "𝓯𝓪𝓷𝓬𝔂", "𝐁𝐨𝐥𝐝", "🅰🅱", "ᵗⁱⁿʸ", "uʍop ǝpᴉsdn", "ꜱᴍᴀʟʟ", "𐐀𐐨 deseret", "𒀀 cuneiform", "𓀀",
    "\ue000 private use", "\ufffd", "\uffff", "\U0010ffff", "\ufdd0", "\U000e0001",
    "ÀÉÎÕÜ", "àéîõü", "Ýÿ", "œ Œ æ Æ", "ł Ł đ Đ", "ß", "ſ", "ŉ", "ǰ", "ΐ",
    "SELECT * FROM t; --", "'; DROP TABLE clips; --", "${jndi:x}", "%s%n%x", "../../etc/passwd", "C:\\Users\\x", "https://example.org/a?b=c&d=e#f",
    "a,b;c:d!e?f", "(a) [b] {c}", "a...b", "wait...what", "no.1", "e.g.", "U.S.A.", "Ph.D.", "Mr. Smith's", "rock 'n' roll", "5'11\"", "20°C", "100µm", "H₂O", "E=mc²", "∑∫∂√∞≠≤≥", "←↑→↓", "─│┌┐", "▁▂▃", "\u3000ideographic space", "\u1680ogham", "\u180emongolian", "\u2800braille blank", "\u115fhangul filler", "\u3164",
]

REPEATED = [("a ", 50_000), ("a", 100_000), ("é", 500), ("😀", 60), ("!", 300), ("1", 80), (" ", 100_000), ("<|endoftext|>", 90), ("it's ", 40), ("\n", 200),
            ("antidisestablishmentarianism ", 30), ("中", 74), ("中", 75), ("x ", 74), ("x ", 75), ("x ", 76), ("x ", 77), ("x ", 78)]
"""(piece, times): strings stored by their recipe, around the 77-token limit and up to 10^5 characters."""

ALPHABETS = ["abcdefghijklmnopqrstuvwxyz", "ABCXYZ", "0123456789", " ", "  ", "\t\n", ".,!?;:'\"-_()[]", "'s't're've'm'll'd", "éàüñçø", "αβγΔΣς", "абвЖЯ", "中日本語한글", "אבגد", "\u0301\u0308\u0323", "😀🎬🚀", "\u200b\u200d\u00a0\u3000", "½²Ⅷ٣", "<|endoftext|>", "İıſKÅ"]


def generated(count: int, seed: int) -> list[str]:
    """Random mixtures of alphabets and caption words."""
    rng = random.Random(f"strings-{seed}")
    strings = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 12)):
            if rng.random() < 0.35:
                parts.append(rng.choice(rng.choice(WORDS).split()))
            else:
                alphabet = rng.choice(ALPHABETS)
                parts.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 6))))
        strings.append(rng.choice(["", " "]).join(parts))
    return strings
