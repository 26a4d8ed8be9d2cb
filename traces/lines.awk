# The input of the recording "sort": n lines of 992 bytes, each a key from a fixed formula and a filler.
BEGIN {
    x = 12345
    pad = sprintf("%99s", "")
    gsub(/ /, "abcdefghi ", pad)
    pad = substr(pad, 1, 980)
    for (i = 0; i < n; i++) {
        x = (x * 1103515 + 12345) % 2147483648
        printf "%010d %s\n", x, pad
    }
}
