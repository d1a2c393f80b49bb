namespace Gateway.Transport.Linux;

/// <summary>The errno values that the transport tells apart; include/uapi/asm-generic/errno-base.h and errno.h.</summary>
internal static class Errno
{
    public const int EPERM = 1;
    public const int EINTR = 4;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EBUSY = 16;
    public const int EINVAL = 22;
    public const int ENFILE = 23;
    public const int EMFILE = 24;
    public const int EPIPE = 32;
    public const int ENOSYS = 38;
    public const int ETIME = 62;
    public const int EPROTO = 71;
    public const int EAFNOSUPPORT = 97;
    public const int ECONNABORTED = 103;
    public const int ECONNRESET = 104;
    public const int ENOBUFS = 105;
    public const int ETIMEDOUT = 110;
    public const int EINPROGRESS = 115;
    public const int ECANCELED = 125;
}
