//! Phosphor icons by name: code points of the vendored font, which is a family of its own.

macro_rules! icons {
    ($($name:ident = $code:literal;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: char = $code;)*
        /// All, for the test that looks for each in the font.
        pub const ALL: &[char] = &[$($name,)*];
    };
}

icons! {
    ARROW_CLOCKWISE = '\u{e036}';
    ARROW_RIGHT = '\u{e06c}';
    ARROWS_CLOCKWISE = '\u{e094}';
    BELL = '\u{e0ce}';
    BUG = '\u{e5f4}';
    CARET_DOWN = '\u{e136}';
    CARET_LEFT = '\u{e138}';
    CARET_RIGHT = '\u{e13a}';
    CARET_UP = '\u{e13c}';
    CHART_LINE_UP = '\u{e156}';
    CHECK = '\u{e182}';
    CHECK_CIRCLE = '\u{e184}';
    CIRCLE_DASHED = '\u{e602}';
    CLOCK = '\u{e19a}';
    COINS = '\u{e78e}';
    COMMAND = '\u{e1c4}';
    COPY = '\u{e1ca}';
    CPU = '\u{e610}';
    CUBE = '\u{e1da}';
    DESKTOP_TOWER = '\u{e562}';
    DOWNLOAD_SIMPLE = '\u{e20c}';
    EYE = '\u{e220}';
    FILE_CSV = '\u{eb1c}';
    FILE_ZIP = '\u{e958}';
    FILM_SLATE = '\u{e8c2}';
    FILM_STRIP = '\u{e792}';
    FIRE = '\u{e242}';
    FLOPPY_DISK = '\u{e248}';
    FOLDER_OPEN = '\u{e256}';
    GAUGE = '\u{e628}';
    GEAR = '\u{e270}';
    GIF = '\u{e274}';
    GLOBE = '\u{e288}';
    GRAPH = '\u{eb58}';
    GRAPHICS_CARD = '\u{e612}';
    HAND_COINS = '\u{ea8c}';
    HOURGLASS_MEDIUM = '\u{e2b8}';
    HOUSE = '\u{e2c2}';
    IMAGE = '\u{e2ca}';
    INFO = '\u{e2ce}';
    KEY = '\u{e2d6}';
    LIGHTNING = '\u{e2de}';
    LIST_CHECKS = '\u{eadc}';
    LOCK = '\u{e2fa}';
    LOCK_OPEN = '\u{e306}';
    MAGNIFYING_GLASS = '\u{e30c}';
    MEMORY = '\u{e9c4}';
    NETWORK = '\u{edde}';
    PAUSE = '\u{e39e}';
    PLAY = '\u{e3d0}';
    PLUG = '\u{e946}';
    PLUGS = '\u{eb56}';
    PLUGS_CONNECTED = '\u{eb5a}';
    PLUS = '\u{e3d4}';
    PROHIBIT = '\u{e3de}';
    RECEIPT = '\u{e3ec}';
    REPEAT = '\u{e3f6}';
    SCALES = '\u{e750}';
    SEAL_CHECK = '\u{e606}';
    SHIELD_CHECK = '\u{e40c}';
    SHIELD_WARNING = '\u{e412}';
    SKIP_BACK = '\u{e5a4}';
    SKIP_FORWARD = '\u{e5a6}';
    SLIDERS = '\u{e432}';
    SPARKLE = '\u{e6a2}';
    STOP = '\u{e46c}';
    TAG = '\u{e478}';
    THERMOMETER = '\u{e5c6}';
    TIMER = '\u{e492}';
    TRASH = '\u{e4a6}';
    TREE_STRUCTURE = '\u{e67c}';
    UPLOAD_SIMPLE = '\u{e4c0}';
    USERS = '\u{e4d6}';
    WALLET = '\u{e68a}';
    WARNING = '\u{e4e0}';
    WARNING_CIRCLE = '\u{e4e2}';
    WIFI_HIGH = '\u{e4ea}';
    WIFI_SLASH = '\u{e4f2}';
    X = '\u{e4f6}';
}
