import { deleteGroup } from "../../api/broker";
import { link } from "../../router";
import { DeleteDialog } from "../../ui/delete-dialog";

export function DeleteGroup({ name, onClose }: { name: string; onClose: () => void }) {
  return (
    <DeleteDialog what="group" name={name} remove={deleteGroup} then={link("groups")} onClose={onClose}>
      <p>Its committed offsets are forgotten: who reads in it next begins anew. The messages stay.</p>
    </DeleteDialog>
  );
}
