package io.netchannel.xen.jna;

import io.netchannel.xen.Domains;
import io.netchannel.xen.EventChannels;
import io.netchannel.xen.ForeignMemory;
import io.netchannel.xen.GrantTable;
import io.netchannel.xen.XenException;
import io.netchannel.xen.XenStore;
import java.nio.file.Path;
import java.util.List;

/** The Xen below this machine: all that the daemon needs of it, opened together. */
public final class XenHost implements AutoCloseable {
  private final XenStore store;
  private final GrantTable grants;
  private final EventChannels events;
  private final Domains domains;
  private final ForeignMemory memory;

  private XenHost(
      XenStore store,
      GrantTable grants,
      EventChannels events,
      Domains domains,
      ForeignMemory memory) {
    this.store = store;
    this.grants = grants;
    this.events = events;
    this.domains = domains;
    this.memory = memory;
  }

  /**
   * Opens xenstore, the grant device, the event channel device and, if possible, hypercalls and
   * foreign memory.
   *
   * @throws XenException with everything that is missing, and what to do about each
   */
  public static XenHost open() {
    List<String> problems = problems();
    if (!problems.isEmpty()) {
      throw new XenException("cannot use Xen:\n  " + String.join("\n  ", problems));
    }
    XenStore store = JnaXenStore.open();
    try {
      GrantTable grants = JnaGrantTable.open();
      try {
        return new XenHost(
            store, grants, JnaEventChannels.open(), JnaDomains.open(), JnaForeignMemory.open());
      } catch (RuntimeException e) {
        grants.close();
        throw e;
      }
    } catch (RuntimeException e) {
      store.close();
      throw e;
    }
  }

  /** What is missing for {@link #open}, a sentence each with what to do; none on a good dom0. */
  public static List<String> problems() {
    return new XenRequirements(Path.of("/"), NativeLibraries::present).problems();
  }

  public XenStore store() {
    return store;
  }

  public GrantTable grants() {
    return grants;
  }

  public EventChannels events() {
    return events;
  }

  /** May be unable to tell anything; see {@link Domains#canTell}. */
  public Domains domains() {
    return domains;
  }

  /** May be unable to look at anything; each use says so. */
  public ForeignMemory foreignMemory() {
    return memory;
  }

  /** Closes all; mappings and channels go with them. */
  @Override
  public void close() {
    memory.close();
    domains.close();
    events.close();
    grants.close();
    store.close();
  }
}
