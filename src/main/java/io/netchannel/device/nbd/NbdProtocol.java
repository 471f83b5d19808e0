package io.netchannel.device.nbd;

import io.netchannel.device.Outcome;

/**
 * Numbers of the NBD protocol, for its client here and for our server (the NetworkBlockDevice
 * project's doc/proto.md). All integers on the wire are big-endian.
 */
public final class NbdProtocol {
  public static final int DEFAULT_PORT = 10809;

  /** "NBDMAGIC", the first eight bytes of a server. */
  public static final long SERVER_MAGIC = 0x4e42444d41474943L;

  /** "IHAVEOPT": of a newstyle server, then of each option of a client. */
  public static final long OPTION_MAGIC = 0x49484156454f5054L;

  public static final long OPTION_REPLY_MAGIC = 0x0003e889045565a9L;
  public static final int REQUEST_MAGIC = 0x25609513;
  public static final int SIMPLE_REPLY_MAGIC = 0x67446698;

  /** Handshake flags of a server, and with the same values of a client. */
  public static final int FLAG_FIXED_NEWSTYLE = 1;

  public static final int FLAG_NO_ZEROES = 1 << 1;

  public static final int OPT_EXPORT_NAME = 1;
  public static final int OPT_ABORT = 2;
  public static final int OPT_LIST = 3;
  public static final int OPT_INFO = 6;
  public static final int OPT_GO = 7;

  public static final int REP_ACK = 1;
  public static final int REP_SERVER = 2;
  public static final int REP_INFO = 3;

  /** Set in the type of every option reply that is an error. */
  public static final int REP_ERROR_BIT = 1 << 31;

  public static final int REP_ERR_UNSUP = REP_ERROR_BIT | 1;
  public static final int REP_ERR_POLICY = REP_ERROR_BIT | 2;
  public static final int REP_ERR_INVALID = REP_ERROR_BIT | 3;
  public static final int REP_ERR_TLS_REQD = REP_ERROR_BIT | 5;
  public static final int REP_ERR_UNKNOWN = REP_ERROR_BIT | 6;
  public static final int REP_ERR_SHUTDOWN = REP_ERROR_BIT | 7;
  public static final int REP_ERR_TOO_BIG = REP_ERROR_BIT | 9;

  public static final int INFO_EXPORT = 0;
  public static final int INFO_NAME = 1;
  public static final int INFO_DESCRIPTION = 2;
  public static final int INFO_BLOCK_SIZE = 3;

  /** Transmission flags: what an export is and can. */
  public static final int FLAG_HAS_FLAGS = 1;

  public static final int FLAG_READ_ONLY = 1 << 1;
  public static final int FLAG_SEND_FLUSH = 1 << 2;
  public static final int FLAG_SEND_FUA = 1 << 3;
  public static final int FLAG_SEND_TRIM = 1 << 5;
  public static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
  public static final int FLAG_CAN_MULTI_CONN = 1 << 8;

  public static final int CMD_READ = 0;
  public static final int CMD_WRITE = 1;
  public static final int CMD_DISC = 2;
  public static final int CMD_FLUSH = 3;
  public static final int CMD_TRIM = 4;
  public static final int CMD_WRITE_ZEROES = 6;

  public static final int CMD_FLAG_FUA = 1;
  public static final int CMD_FLAG_NO_HOLE = 1 << 1;

  /** magic u32, flags u16, type u16, handle u64, offset u64, length u32. */
  public static final int REQUEST_BYTES = 28;

  /** magic u32, error u32, handle u64. */
  public static final int SIMPLE_REPLY_BYTES = 16;

  /** magic u64, option u32, length u32. */
  public static final int OPTION_BYTES = 16;

  /** magic u64, option u32, type u32, length u32. */
  public static final int OPTION_REPLY_BYTES = 20;

  /** The longest string that the protocol allows, export names among them. */
  public static final int MAX_STRING_BYTES = 4096;

  /** The largest payload that every server takes, unless it tells another. */
  public static final int DEFAULT_MAX_PAYLOAD_BYTES = 32 << 20;

  public static final int EPERM = 1;
  public static final int EIO = 5;
  public static final int ENOMEM = 12;
  public static final int EINVAL = 22;
  public static final int ENOSPC = 28;
  public static final int ENOTSUP = 95;
  public static final int ESHUTDOWN = 108;

  private NbdProtocol() {}

  /** What the error number of a reply means; all that the protocol does not name is EINVAL-like. */
  static Outcome outcomeOf(int error) {
    return switch (error) {
      case 0 -> Outcome.OK;
      case ENOSPC -> Outcome.NO_SPACE;
      case EPERM, ENOTSUP -> Outcome.UNSUPPORTED;
      default -> Outcome.IO_ERROR;
    };
  }

  /** The error number of a reply. */
  public static int errorOf(Outcome outcome) {
    return switch (outcome) {
      case OK -> 0;
      case IO_ERROR -> EIO;
      case NO_SPACE -> ENOSPC;
      case UNSUPPORTED -> ENOTSUP;
    };
  }
}
